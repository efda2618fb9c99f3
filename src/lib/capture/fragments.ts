/** One fragment of an IP datagram, as places in a packet. */
export interface Fragment {
  bytes: Buffer
  /** The IP header that the fragment came with. */
  headerAt: number
  identityAt: number
  identityBytes: 2 | 4
  /** Source and destination, side by side. */
  addressesAt: number
  addressesBytes: 8 | 32
  protocol: number
  /** Of the data in the datagram, bytes. */
  offset: number
  more: boolean
  dataAt: number
  /** By the IP header. */
  dataEnd: number
  /** What the capture has of it. */
  capturedEnd: number
}

/** A datagram of which all fragments have come: a bare IP header of 20 or 40 bytes for the addresses, then the data. */
export interface Reassembled {
  bytes: Buffer
  ipv6: boolean
  dataAt: number
  end: number
  /** Up to where nothing is missing because it was not captured. */
  capturedEnd: number
}

interface Datagram {
  header: Buffer
  /** Data without overlaps: who came first stays. */
  pieces: {offset: number; length: number; data: Buffer}[]
  /** Length of the data, known from the last fragment. */
  total: number | null
}

/** Datagrams that wait for fragments; then the one that has waited longest is given up. */
const MOST_WAITING = 256
/** Pieces of one datagram: 64 KiB in fragments of 8 bytes are 8192, and nobody sends those. */
const MOST_PIECES = 1024
const LONGEST_DATA = 65_535

/** Puts IP fragments together, in any order, in bounded memory. */
export class FragmentTable {
  givenUp = 0
  readonly #waiting = new Map<string, Datagram>()

  /** @returns the datagram when this fragment completes it */
  add(fragment: Fragment): Reassembled | null {
    const {bytes, addressesBytes, headerAt, offset, more, dataAt, dataEnd, capturedEnd} = fragment
    const length = dataEnd - dataAt
    // All but the last are a multiple of 8 (RFC 791 section 3.2, RFC 8200 section 4.5).
    if (length <= 0 || offset + length > LONGEST_DATA || (more && length % 8 !== 0)) {
      this.givenUp++
      return null
    }

    const key = keyOf(fragment)
    let datagram = this.#waiting.get(key)
    if (!datagram) {
      if (this.#waiting.size >= MOST_WAITING) {
        const [oldest, {pieces}] = this.#waiting.entries().next().value!
        this.#waiting.delete(oldest)
        this.givenUp += pieces.length
      }

      const header = Buffer.from(bytes.subarray(headerAt, headerAt + (addressesBytes === 8 ? 20 : 40)))
      datagram = {header, pieces: [], total: null}
      this.#waiting.set(key, datagram)
    }

    if (!more) datagram.total ??= offset + length
    const overlaps = datagram.pieces.some(
      (piece) => offset < piece.offset + piece.length && piece.offset < offset + length,
    )
    if (overlaps || datagram.pieces.length >= MOST_PIECES) return null
    datagram.pieces.push({offset, length, data: Buffer.from(bytes.subarray(dataAt, Math.max(dataAt, capturedEnd)))})
    const have = datagram.pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (datagram.total === null || have < datagram.total) return null
    this.#waiting.delete(key)
    return join(datagram, datagram.total)
  }
}

function keyOf({bytes, identityAt, identityBytes, addressesAt, addressesBytes, protocol}: Fragment): string {
  const identity = bytes.toString('latin1', identityAt, identityAt + identityBytes)
  return `${protocol} ${identity}${bytes.toString('latin1', addressesAt, addressesAt + addressesBytes)}`
}

function join({header, pieces}: Datagram, total: number): Reassembled {
  const bytes = Buffer.alloc(header.length + total)
  header.copy(bytes)
  let captured = total
  for (const {offset, length, data} of pieces) {
    data.copy(bytes, header.length + offset)
    if (data.length < length) captured = Math.min(captured, offset + data.length)
  }

  return {
    bytes,
    ipv6: header.length === 40,
    dataAt: header.length,
    end: header.length + total,
    capturedEnd: header.length + captured,
  }
}
