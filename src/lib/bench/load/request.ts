/**
 * What a load client first says on a connection, {@link LOAD_HEADER} bytes, integers big-endian: u8 what it wants, three
 * bytes of zero, u32 a length or a time.
 *
 * - `upload`: bytes follow until the client's FIN; the origin then answers with how many came after the header, u64, and
 *   closes.
 * - `download`: the origin sends for so many ms, and closes.
 * - `fetch`: the origin sends so many bytes, and closes.
 * - `echo-once`, `echo`: requests of so many bytes, the header being the first ones of each; the origin sends each back,
 *   and with `echo-once` closes after the first.
 */
export const LOAD_HEADER = 8

/** Bytes of the answer to an upload. */
export const UPLOAD_ANSWER = 8

/** A request or answer of an exchange; so many are sent and read at once. */
export const LONGEST_ECHO = 16_384

/** Of one download, so that an origin never sends for longer than that to a client that has gone astray. */
export const LONGEST_DOWNLOAD_MS = 600_000

/** Of one fetch or of one upload of a given length. */
export const LONGEST_TRANSFER = 1_000_000_000

const KINDS = ['upload', 'download', 'echo-once', 'echo', 'fetch'] as const
export type LoadKind = (typeof KINDS)[number]

export interface LoadRequest {
  kind: LoadKind
  /** Bytes of an echo or a fetch, ms of a download, 0 of an upload. */
  value: number
}

/** Writes the header at the beginning of `into`. */
export function writeLoadRequest(into: Buffer, {kind, value}: LoadRequest): void {
  into.writeUInt32BE((KINDS.indexOf(kind) + 1) << 24, 0)
  into.writeUInt32BE(value, 4)
}

/** @returns what a header says, or null when it is none */
export function readLoadRequest(header: Buffer): LoadRequest | null {
  if (header.length < LOAD_HEADER || header.readUIntBE(1, 3) !== 0) return null
  const kind = KINDS.at(header[0] - 1)
  const value = header.readUInt32BE(4)
  if (header[0] === 0 || kind === undefined) return null
  if (kind === 'upload') return value === 0 ? {kind, value} : null
  if (kind === 'download') return value <= LONGEST_DOWNLOAD_MS ? {kind, value} : null
  if (kind === 'fetch') return value > 0 && value <= LONGEST_TRANSFER ? {kind, value} : null
  return value >= LOAD_HEADER && value <= LONGEST_ECHO ? {kind, value} : null
}
