import {createHmac, randomBytes, timingSafeEqual} from 'node:crypto'
import {readFileSync} from 'node:fs'

import {mapSharedFile, reserveInFile} from '../kernel/shared-memory.js'
import {CHALLENGE_LENGTH} from '../wire/preamble.js'
import {REPLAY_RESERVED_BYTES, REPLAY_WINDOW_BYTES, ReplayWindow} from './replay-window.js'

/** "OVRW" and a number that changes with the layout. */
const MAGIC = Buffer.from('OVRW0001')
const AT_BOOT_ID = 8
const BOOT_ID_LENGTH = 36
const AT_SECRET = 64
const SECRET_LENGTH = 32

/** A challenge is good in the period it was made in and the next. */
const CHALLENGE_PERIOD_MS = 16_000

/** The replay window of one gateway with the secret that its challenges are made from, shared by its processes. */
export class ReplayFile {
  readonly window: ReplayWindow
  private readonly secret: Buffer

  private constructor(path: string, memory: ArrayBuffer) {
    this.window = new ReplayWindow(memory, (offset, length) => reserveInFile(path, offset, length))
    this.secret = Buffer.from(memory, AT_SECRET, SECRET_LENGTH)
  }

  /**
   * Called once, by the supervisor, before its relay processes open it. What an earlier run of this gateway left is kept
   * when it is from the same boot: the monotonic clock that it counts in started then.
   */
  static prepare(path: string): ReplayFile {
    const memory = mapSharedFile(path, REPLAY_WINDOW_BYTES, REPLAY_RESERVED_BYTES)
    const bytes = Buffer.from(memory)
    const bootId = Buffer.from(readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().padEnd(BOOT_ID_LENGTH))
    const known =
      bytes.subarray(0, AT_BOOT_ID).equals(MAGIC) &&
      bytes.subarray(AT_BOOT_ID, AT_BOOT_ID + BOOT_ID_LENGTH).equals(bootId.subarray(0, BOOT_ID_LENGTH))
    if (!known) {
      // What is sparse stays so: slots are zeroed when an instance gets them.
      bytes.fill(0, 0, REPLAY_RESERVED_BYTES)
      bootId.copy(bytes, AT_BOOT_ID, 0, BOOT_ID_LENGTH)
      randomBytes(SECRET_LENGTH).copy(bytes, AT_SECRET)
      MAGIC.copy(bytes)
    }

    return new ReplayFile(path, memory)
  }

  /** For a relay process: the file as the supervisor prepared it. */
  static open(path: string): ReplayFile {
    return new ReplayFile(path, mapSharedFile(path, REPLAY_WINDOW_BYTES, REPLAY_RESERVED_BYTES))
  }

  /**
   * The challenge for an instance: nothing is remembered for it.
   *
   * @param instance its 8 bytes
   * @param now monotonic ms
   */
  challenge(instance: Uint8Array, now: number): Buffer {
    return this.challengeOf(instance, Math.floor(now / CHALLENGE_PERIOD_MS))
  }

  /** @param given 16 bytes */
  challengeIsGood(given: Uint8Array, instance: Uint8Array, now: number): boolean {
    const period = Math.floor(now / CHALLENGE_PERIOD_MS)
    return (
      timingSafeEqual(given, this.challengeOf(instance, period)) ||
      timingSafeEqual(given, this.challengeOf(instance, period - 1))
    )
  }

  private challengeOf(instance: Uint8Array, period: number): Buffer {
    const time = Buffer.alloc(8)
    time.writeDoubleBE(period)
    return createHmac('sha256', this.secret).update(instance).update(time).digest().subarray(0, CHALLENGE_LENGTH)
  }
}

/** Monotonic ms since boot, the same clock in every process of the host. */
export function monotonicNow(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
