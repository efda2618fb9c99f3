import {join} from 'node:path'

import {type BpfMap, openPinnedMap} from '../kernel/bpf-map.js'
import {Kicker, SETUP_MARK} from './kicker.js'
import {decodeSeenSyn} from './setup-maps.js'
import {encodeSynAck} from './setup-syn-ack.js'

/** A SYN that was answered longer ago has its connection, or its client sends again, milliseconds. */
const RECENT_MS = 3000

/**
 * Says the SYN/ACKs of this server again. A client whose ACK the old owner took with it, and who waits for the server to
 * speak first, would wait for ever; it answers a repeated SYN/ACK with an ACK (RFC 9293 section 3.10.7.4), which makes
 * the connection here.
 */
export class SynAckResender {
  readonly #seen: BpfMap
  readonly #sender = new Kicker(SETUP_MARK)

  private constructor(seen: BpfMap) {
    this.#seen = seen
  }

  /**
   * Opens everything beforehand.
   *
   * @param pins directory of the pair's maps
   * @returns null when no set-up plane is attached
   * @throws OverlayError PRIVILEGE_MISSING without CAP_NET_RAW
   */
  static open(pins: string): SynAckResender | null {
    const seen = openPinnedMap(join(pins, 'seen_syns'))
    return seen && new SynAckResender(seen)
  }

  /**
   * @param nowMs CLOCK_BOOTTIME
   * @param isKnown whether a struct flow_key is of a connection that is there
   * @returns how many were sent: one for each SYN answered in the last 3 s of which nothing came
   */
  resend(nowMs: number, isKnown: (key: Buffer) => boolean): number {
    let sent = 0
    for (const key of this.#seen.keys()) {
      const value = this.#seen.lookup(key)
      if (value === null) continue
      const seen = decodeSeenSyn(value)
      if (nowMs - seen.atMs > RECENT_MS || isKnown(key)) continue
      const bytes = encodeSynAck(key, seen)
      const packet = {bytes, ipv6: bytes[0] >> 4 === 6, remote: key.subarray(16, 32)}
      if (this.#sender.send(packet)) sent++
    }

    return sent
  }

  /** Its SYN/ACK has done its work. @param key struct flow_key */
  forget(key: Buffer): void {
    this.#seen.delete(key)
  }

  forgetAll(): void {
    for (const key of this.#seen.keys()) this.#seen.delete(key)
  }

  close(): void {
    this.#seen.close()
    this.#sender.close()
  }
}
