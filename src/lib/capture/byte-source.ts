import {closeSync, createReadStream, fstatSync, openSync, readSync, statSync, type Stats} from 'node:fs'
import type {Readable} from 'node:stream'
import {finished} from 'node:stream/promises'
import {createGunzip} from 'node:zlib'

import {OverlayError} from '../errors/index.js'

/** Standard input, as people write it. */
export const STDIN = '-'

/** Bytes of a capture, unzipped, in their order. */
export interface ByteSource {
  /** Fills `into` from `at` on, at least one byte; 0 at the end. Throws {@link DamagedSource}. */
  read(into: Buffer, at: number): number | Promise<number>
  /** Bytes taken so far from where they come from, zipped ones as they lie there. */
  readonly taken: number
  close(): void
}

/** What was read until now is good, and no more will come. */
export class DamagedSource extends Error {}

const GZIP = [0x1f, 0x8b]
const UNZIP_CHUNK = 1 << 20
/** May become a thousand times as many (RFC 1951), which then wait in memory; and what is unzipped of a step goes with its damage. */
const ZIPPED_BYTES_A_STEP = 4 << 10

/** Compressions that are told by their first bytes and not undone here. */
const OTHER_COMPRESSIONS: [name: string, magic: number[], program: string][] = [
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd], 'zstd -dc'],
  ['xz', [0xfd, 0x37, 0x7a, 0x58], 'xz -dc'],
  ['bzip2', [0x42, 0x5a, 0x68], 'bzip2 -dc'],
  ['lz4', [0x04, 0x22, 0x4d, 0x18], 'lz4 -dc'],
]

/**
 * Opens a file, a named pipe or standard input (`-`); what is compressed with gzip is unzipped.
 *
 * @throws OverlayError NOT_FOUND when it cannot be opened; INPUT_INVALID for another compression, a directory, or nothing
 */
export async function openByteSource(path: string): Promise<ByteSource> {
  if (path === STDIN) return openStream(process.stdin, path)
  const stats = statOf(path)
  if (stats.isDirectory()) throw new OverlayError('INPUT_INVALID', `${path} is a directory`)
  if (!stats.isFile()) return openStream(createReadStream(path, {highWaterMark: UNZIP_CHUNK}), path)
  const file = new FileSource(path)
  const magic = file.peek()
  if (startsWith(magic, GZIP)) {
    file.close()
    return new StreamSource(createReadStream(path, {highWaterMark: UNZIP_CHUNK}), null, true)
  }

  try {
    check(magic, path)
  } catch (error) {
    file.close()
    throw error
  }

  return file
}

/** @throws OverlayError NOT_FOUND for the first that is not there */
export function checkReadable(paths: readonly string[]): void {
  for (const path of paths) if (path !== STDIN) statOf(path)
}

function statOf(path: string): Stats {
  try {
    return statSync(path)
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): OverlayError {
  const {code} = error as NodeJS.ErrnoException
  return new OverlayError('NOT_FOUND', `capture ${path} cannot be read`, {cause: code})
}

async function openStream(stream: Readable, path: string): Promise<ByteSource> {
  const chunks: Buffer[] = []
  let length = 0
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  while (length < 4) {
    let next: IteratorResult<Buffer>
    try {
      next = await iterator.next()
    } catch (error) {
      throw unreadable(path, error)
    }

    if (next.done) break
    chunks.push(next.value)
    length += next.value.length
  }

  const first = Buffer.concat(chunks)
  const zipped = startsWith(first, GZIP)
  if (!zipped) check(first, path)
  return new StreamSource(stream, {iterator, first}, zipped)
}

function check(magic: Buffer, path: string): void {
  if (magic.length === 0) throw new OverlayError('INPUT_INVALID', `${path} is empty`)
  for (const [name, bytes, program] of OTHER_COMPRESSIONS) {
    if (!startsWith(magic, bytes)) continue
    throw new OverlayError('INPUT_INVALID', `${path} is compressed with ${name}; only gzip is read`, {
      suggestions: [`${program} FILE | overlay replay -`],
    })
  }
}

function startsWith(bytes: Buffer, magic: readonly number[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, index) => bytes[index] === byte)
}

/** A regular file, read at once and in order: nothing is faster. */
class FileSource implements ByteSource {
  taken = 0
  readonly #fd: number
  #open = true

  constructor(private readonly path: string) {
    try {
      this.#fd = openSync(path, 'r')
      fstatSync(this.#fd)
    } catch (error) {
      throw unreadable(path, error)
    }
  }

  peek(): Buffer {
    const bytes = Buffer.alloc(4)
    return bytes.subarray(0, this.#readAt(bytes, 0, 0))
  }

  read(into: Buffer, at: number): number {
    const count = this.#readAt(into, at, this.taken)
    this.taken += count
    return count
  }

  close(): void {
    if (this.#open) closeSync(this.#fd)
    this.#open = false
  }

  #readAt(into: Buffer, at: number, position: number): number {
    try {
      return readSync(this.#fd, into, at, into.length - at, position)
    } catch (error) {
      throw unreadable(this.path, error)
    }
  }
}

class StreamSource implements ByteSource {
  taken = 0
  readonly #chunks: AsyncIterator<Buffer>
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0

  /** @param begun what was taken from the stream already */
  constructor(
    private readonly stream: Readable,
    begun: {iterator: AsyncIterator<Buffer>; first: Buffer} | null,
    zipped: boolean,
  ) {
    const raw = this.#count(begun)
    this.#chunks = zipped ? unzip(raw) : raw
  }

  async read(into: Buffer, at: number): Promise<number> {
    while (this.#at >= this.#chunk.length) {
      let next: IteratorResult<Buffer>
      try {
        next = await this.#chunks.next()
      } catch (error) {
        throw new DamagedSource(describe(error))
      }

      if (next.done) return 0
      this.#chunk = next.value
      this.#at = 0
    }

    const count = this.#chunk.copy(into, at, this.#at)
    this.#at += count
    return count
  }

  close(): void {
    this.stream.destroy()
  }

  async *#count(begun: {iterator: AsyncIterator<Buffer>; first: Buffer} | null): AsyncGenerator<Buffer> {
    if (begun) {
      this.taken += begun.first.length
      yield begun.first
    }

    const iterator = begun?.iterator ?? (this.stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>)
    for (;;) {
      const next = await iterator.next()
      if (next.done) return
      this.taken += next.value.length
      yield next.value
    }
  }
}

/**
 * What could be unzipped comes out before the damage throws: a stream's own iterator would drop what it holds.
 *
 * @yields unzipped bytes
 */
async function* unzip(raw: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({chunkSize: UNZIP_CHUNK})
  const out: Buffer[] = []
  const state: {failure: Error | null; over: boolean} = {failure: null, over: false}
  let wake = nothing
  gunzip.on('data', (chunk: Buffer) => out.push(chunk))
  // Neither after an error nor after the end of the gzip file is a write answered.
  gunzip.on('error', (error) => {
    state.failure = error
    wake()
  })
  gunzip.on('end', () => {
    state.over = true
    wake()
  })
  try {
    for await (const chunk of raw) {
      for (let at = 0; at < chunk.length; at += ZIPPED_BYTES_A_STEP) {
        await new Promise<void>((resolve) => {
          wake = resolve
          gunzip.write(chunk.subarray(at, at + ZIPPED_BYTES_A_STEP), () => resolve())
        })
        yield* out.splice(0)
        if (state.failure) throw state.failure
        if (state.over) return
      }
    }

    gunzip.end()
    await finished(gunzip, {writable: false}).catch(() => {})
    yield* out.splice(0)
    if (state.failure) throw state.failure
  } finally {
    gunzip.destroy()
  }
}

function nothing(): void {}

function describe(error: unknown): string {
  const {code, message} = error as NodeJS.ErrnoException
  if (code === 'Z_BUF_ERROR') return 'the gzip file is cut short'
  if (code?.startsWith('Z_')) return `the gzip file is damaged (${message})`
  return `it cannot be read further (${code ?? message})`
}
