import {addressBytes} from '../wire/endpoint.js'
import type {GatedKey} from './gate-maps.js'

/** SO_MARK of the socket that sends kicks (bpf/ack-gate.bpf.c). */
export const KICK_MARK = 0x4f_56_00_02

const TCP_BYTES = 32
const FLAG_ACK = 0x10
const FLAG_PSH = 0x08

/**
 * A kick: a bare ACK with room for a timestamp option, which the gate's program fills in. Its acknowledgement number is
 * the gate wanted. The checksum covers what stands here; the program mends it.
 */
export class KickPacket {
  readonly bytes: Buffer
  readonly ipv6: boolean
  /** 16 bytes, IPv4 as IPv4-mapped. */
  readonly remote: Buffer
  readonly #tcpAt: number
  readonly #sum: number

  constructor({local, remote}: GatedKey) {
    this.ipv6 = local.address.includes(':')
    this.#tcpAt = this.ipv6 ? 40 : 20
    const bytes = Buffer.alloc(this.#tcpAt + TCP_BYTES)
    const from = addressBytes(local.address)
    const to = addressBytes(remote.address)
    this.remote = to
    if (this.ipv6) {
      bytes[0] = 0x60
      bytes.writeUInt16BE(TCP_BYTES, 4)
      bytes[6] = 6
      bytes[7] = 64
      from.copy(bytes, 8)
      to.copy(bytes, 24)
    } else {
      bytes[0] = 0x45
      bytes.writeUInt16BE(bytes.length, 2)
      bytes[6] = 0x40
      bytes[8] = 64
      bytes[9] = 6
      from.copy(bytes, 12, 12)
      to.copy(bytes, 16, 12)
    }

    bytes.writeUInt16BE(local.port, this.#tcpAt)
    bytes.writeUInt16BE(remote.port, this.#tcpAt + 2)
    bytes[this.#tcpAt + 12] = (TCP_BYTES / 4) << 4
    bytes.fill(1, this.#tcpAt + 20)
    this.bytes = bytes
    // Pseudo-header: addresses, protocol, length (RFC 9293 section 3.1).
    this.#sum = sumOf(bytes, this.ipv6 ? 8 : 12, this.#tcpAt) + 6 + TCP_BYTES
  }

  /**
   * Sets the gate wanted.
   *
   * @param repeat say it even when the peer has heard it: after a takeover, when it may not have
   */
  aim(gate: number, repeat = false): void {
    const {bytes} = this
    bytes.writeUInt32BE(gate >>> 0, this.#tcpAt + 8)
    bytes[this.#tcpAt + 13] = repeat ? FLAG_ACK | FLAG_PSH : FLAG_ACK
    bytes.writeUInt16BE(0, this.#tcpAt + 16)
    let sum = this.#sum + sumOf(bytes, this.#tcpAt, bytes.length)
    while (sum > 0xff_ff) sum = (sum & 0xff_ff) + (sum >>> 16)
    bytes.writeUInt16BE(~sum & 0xff_ff, this.#tcpAt + 16)
  }
}

function sumOf(bytes: Buffer, from: number, to: number): number {
  let sum = 0
  for (let at = from; at < to; at += 2) sum += bytes.readUInt16BE(at)
  return sum
}
