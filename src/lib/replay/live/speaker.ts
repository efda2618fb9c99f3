import {createHash} from 'node:crypto'
import type {Socket} from 'node:net'
import {hrtime} from 'node:process'

/** One turn of a conversation that is played: whoever speaks thinks first, then sends. */
export interface PlayedTurn {
  from: 'client' | 'server'
  bytes: number
  thinkMs: number
}

/** What one side has seen of a conversation. Times in ns of CLOCK_MONOTONIC, which is one for all processes of a machine. */
export interface SpeakerReport {
  firstReceivedNs: string | null
  lastReceivedNs: string | null
  received: number
  /** SHA-256 of what was received. */
  sha256: string
  /** Null when all turns came to their end. */
  error: string | null
}

/**
 * setTimeout() of Node is up to a millisecond late and rounds, so the rest, ms, is slept exactly. Not spun: the processor
 * is wanted by what is measured.
 */
const TIMER_SLACK_MS = 2
const CLOCK = new Int32Array(new SharedArrayBuffer(4))

/**
 * One side of a conversation over a socket: sends its own turns and waits for the other side's, in their order.
 */
export class Speaker {
  readonly #hash = createHash('sha256')
  #turn = 0
  #sent = 0
  /** Bytes of the other side that the turns so far have waited for. */
  #awaited = 0
  #received = 0
  #firstReceivedNs: bigint | null = null
  #lastReceivedNs: bigint | null = null
  #thinking = false
  #timer: NodeJS.Timeout | null = null
  #error: string | null = null
  #reported = false

  /**
   * @param own all bytes that this side sends
   * @param done called once, when the connection is over
   */
  constructor(
    private readonly socket: Socket,
    private readonly side: 'client' | 'server',
    private readonly turns: readonly PlayedTurn[],
    private readonly own: Buffer,
    private readonly done: (report: SpeakerReport) => void,
  ) {
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => this.#peerEnded())
    socket.on('error', (failure: NodeJS.ErrnoException) => {
      this.#error ??= failure.code ?? failure.message
    })
    socket.on('close', () => this.#close())
  }

  /** The socket is connected: the first turn begins. */
  begin(): void {
    this.#next()
  }

  /** Ends it by an RST. @param reason in a word */
  abort(reason: string): void {
    this.#error ??= reason
    this.socket.destroy()
  }

  #next(): void {
    if (this.#thinking) return
    while (this.#turn < this.turns.length) {
      const {from, bytes, thinkMs} = this.turns[this.#turn]
      if (from !== this.side) {
        if (this.#received < this.#awaited + bytes) return
        this.#awaited += bytes
        this.#turn++
        continue
      }

      this.#turn++
      if (thinkMs > 0) {
        this.#thinking = true
        this.#think(thinkMs, () => {
          this.#thinking = false
          this.#say(bytes)
          this.#next()
        })
        return
      }

      this.#say(bytes)
    }

    // The client closes: the port that has to wait (TIME-WAIT) is then an ephemeral one.
    if (this.side === 'client') this.socket.end()
  }

  #say(bytes: number): void {
    this.socket.write(this.own.subarray(this.#sent, this.#sent + bytes))
    this.#sent += bytes
  }

  #think(ms: number, then: () => void): void {
    const due = hrtime.bigint() + BigInt(Math.round(ms * 1e6))
    const wait = (): void => {
      if (this.#reported) return
      const left = Number(due - hrtime.bigint()) / 1e6
      if (left > TIMER_SLACK_MS) {
        this.#timer = setTimeout(wait, left - TIMER_SLACK_MS)
        return
      }

      if (left > 0) Atomics.wait(CLOCK, 0, 0, left)
      then()
    }

    wait()
  }

  #take(chunk: Buffer): void {
    const now = hrtime.bigint()
    this.#firstReceivedNs ??= now
    this.#lastReceivedNs = now
    this.#received += chunk.length
    this.#hash.update(chunk)
    if (this.#turn < this.turns.length) this.#next()
  }

  #peerEnded(): void {
    if (this.side === 'client' && this.#turn < this.turns.length) this.#error ??= 'ended early'
    this.socket.end()
  }

  #close(): void {
    if (this.#reported) return
    this.#reported = true
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#turn < this.turns.length) this.#error ??= 'closed early'
    this.done({
      firstReceivedNs: this.#firstReceivedNs?.toString() ?? null,
      lastReceivedNs: this.#lastReceivedNs?.toString() ?? null,
      received: this.#received,
      sha256: this.#hash.digest('hex'),
      error: this.#error,
    })
  }
}
