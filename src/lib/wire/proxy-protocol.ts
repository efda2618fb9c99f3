/**
 * The binary header of the PROXY protocol, version 2 (haproxy doc/proxy-protocol.txt, section 2.2), as the overlay's
 * middle leg uses it: TCP over IPv4 or IPv6, or LOCAL without addresses. Strict and incremental: a header that can no
 * longer become good is refused at its first wrong byte. All numbers are big-endian.
 */
export const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])

/** Signature, version and command, family, length. */
export const HEADER_LENGTH = 16

/** Where the TLVs may end: a header longer than this is refused before the rest of it is read. */
export const MAX_TOTAL_LENGTH = 536

export const COMMAND_LOCAL = 0
export const COMMAND_PROXY = 1

const FAMILY_UNSPEC = 0x00
const FAMILY_TCP4 = 0x11
const FAMILY_TCP6 = 0x21
const ADDRESSES_TCP4 = 12
const ADDRESSES_TCP6 = 36

/** Type and length of a TLV. */
export const TLV_HEADER_LENGTH = 3

export const PP2_TYPE_UNIQUE_ID = 0x05

/** Why bytes are no header; the values index {@link MALFORMED}. */
export const Malformed = {
  Signature: 1,
  Version: 2,
  Family: 3,
  Length: 4,
  Tlv: 5,
  Duplicate: 6,
  Order: 7,
  Authentication: 8,
  UniqueId: 9,
} as const

/** Names of {@link Malformed}, as counters and logs show them. */
export const MALFORMED = [
  '',
  'signature',
  'version',
  'family',
  'length',
  'tlv',
  'duplicate-tlv',
  'tlv-order',
  'authentication-tlv',
  'unique-id',
] as const

/** What a header says. Reused: {@link parseProxyHeader} overwrites it. */
export class ProxyHeader {
  command = COMMAND_LOCAL
  /** 16 bytes, IPv4 as IPv4-mapped; zero for LOCAL. */
  readonly source = Buffer.alloc(16)
  sourcePort = 0
  readonly destination = Buffer.alloc(16)
  destinationPort = 0
  /** Where the first TLV starts, from the start of the header. */
  tlvsAt = 0
  /** Length of the whole header with its TLVs. */
  totalLength = 0
}

/**
 * Reads the header and addresses; the TLVs after them are walked by the caller.
 *
 * @param bytes holds `available` bytes from `offset`
 * @returns the header's total length when all of it is there, 0 when more bytes are needed, a {@link Malformed} number
 * negated when it is none
 */
export function parseProxyHeader(bytes: Buffer, offset: number, available: number, into: ProxyHeader): number {
  const start = Math.min(available, SIGNATURE.length)
  for (let i = 0; i < start; i++) if (bytes[offset + i] !== SIGNATURE[i]) return -Malformed.Signature
  if (available < 13) return 0
  const versionAndCommand = bytes[offset + 12]
  if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21) return -Malformed.Version
  if (available < 14) return 0
  const command = versionAndCommand & 0x0f
  const family = bytes[offset + 13]
  if (command === COMMAND_LOCAL ? family !== FAMILY_UNSPEC : family !== FAMILY_TCP4 && family !== FAMILY_TCP6) {
    return -Malformed.Family
  }

  if (available < HEADER_LENGTH) return 0
  const total = HEADER_LENGTH + bytes.readUInt16BE(offset + 14)
  const addresses = family === FAMILY_TCP4 ? ADDRESSES_TCP4 : family === FAMILY_TCP6 ? ADDRESSES_TCP6 : 0
  if (total > MAX_TOTAL_LENGTH || total < HEADER_LENGTH + addresses) return -Malformed.Length
  if (available < total) return 0
  into.command = command
  into.tlvsAt = HEADER_LENGTH + addresses
  into.totalLength = total
  readAddresses(bytes, offset + HEADER_LENGTH, family, into)
  return total
}

function readAddresses(bytes: Buffer, at: number, family: number, into: ProxyHeader): void {
  const {source, destination} = into
  if (family === FAMILY_TCP4) {
    mapIPv4(bytes, at, source)
    mapIPv4(bytes, at + 4, destination)
    into.sourcePort = bytes.readUInt16BE(at + 8)
    into.destinationPort = bytes.readUInt16BE(at + 10)
  } else if (family === FAMILY_TCP6) {
    bytes.copy(source, 0, at, at + 16)
    bytes.copy(destination, 0, at + 16, at + 32)
    into.sourcePort = bytes.readUInt16BE(at + 32)
    into.destinationPort = bytes.readUInt16BE(at + 34)
  } else {
    source.fill(0)
    destination.fill(0)
    into.sourcePort = 0
    into.destinationPort = 0
  }
}

function mapIPv4(from: Buffer, at: number, into: Buffer): void {
  into.fill(0, 0, 10)
  into[10] = 0xff
  into[11] = 0xff
  from.copy(into, 12, at, at + 4)
}

function isMapped(address: Buffer): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false
  return address[10] === 0xff && address[11] === 0xff
}

/**
 * How long header and addresses will be: both IPv4 are written as TCP over IPv4; if one is IPv6 both are written as
 * IPv6, the other IPv4-mapped.
 */
export function proxyHeaderLength(source: Buffer, destination: Buffer): number {
  return HEADER_LENGTH + (isMapped(source) && isMapped(destination) ? ADDRESSES_TCP4 : ADDRESSES_TCP6)
}

/**
 * Writes a PROXY header with addresses.
 *
 * @param source 16 bytes, IPv4 as IPv4-mapped; so is `destination`
 * @param tlvLength bytes of TLVs that the caller writes after it
 * @returns where the TLVs start in `into`
 */
export function writeProxyHeader(
  into: Buffer,
  offset: number,
  source: Buffer,
  sourcePort: number,
  destination: Buffer,
  destinationPort: number,
  tlvLength: number,
): number {
  const v4 = isMapped(source) && isMapped(destination)
  const addresses = v4 ? ADDRESSES_TCP4 : ADDRESSES_TCP6
  writeStart(into, offset, 0x21, v4 ? FAMILY_TCP4 : FAMILY_TCP6, addresses + tlvLength)
  const at = offset + HEADER_LENGTH
  if (v4) {
    source.copy(into, at, 12, 16)
    destination.copy(into, at + 4, 12, 16)
  } else {
    source.copy(into, at, 0, 16)
    destination.copy(into, at + 16, 0, 16)
  }

  into.writeUInt16BE(sourcePort, at + addresses - 4)
  into.writeUInt16BE(destinationPort, at + addresses - 2)
  return at + addresses
}

/** Writes a LOCAL header, without addresses; returns where the TLVs start in `into`. */
export function writeLocalHeader(into: Buffer, offset: number, tlvLength: number): number {
  writeStart(into, offset, 0x20, FAMILY_UNSPEC, tlvLength)
  return offset + HEADER_LENGTH
}

function writeStart(into: Buffer, offset: number, versionAndCommand: number, family: number, length: number): void {
  SIGNATURE.copy(into, offset)
  into[offset + 12] = versionAndCommand
  into[offset + 13] = family
  into.writeUInt16BE(length, offset + 14)
}
