import {createHash} from 'node:crypto'
import {connect, type Socket} from 'node:net'
import process from 'node:process'
import {createInterface} from 'node:readline'

import {BANNER, Content, HEADER_LENGTH, writeFlowHeader} from './content.js'
import type {LoadGroup} from './scenario.js'

/** What a client says of a flow when it has ended, one JSON object a line. Times in ms since the epoch. */
export interface ClientReport {
  flow: number
  group: number
  startedAt: number
  connectedAt: number | null
  endedAt: number
  received: number
  expected: number
  wrongAt: number
  sha256: string
  error: string | null
  /** Times without a byte moving while bytes were owed, from and to; those of {@link SHORTEST_GAP_MS} and more. */
  gaps: [number, number][]
}

export interface ClientOrders {
  address: string
  /** Of the service, and of the one whose origin speaks first. */
  port: number
  bannerPort: number
  groups: LoadGroup[]
  /** Number of the first flow. */
  firstFlow: number
  /** A flow that lasts longer has failed. */
  deadlineMs: number
}

const CHUNK = 65_521
const TICK_MS = 5
const SHORTEST_GAP_MS = 5

/** A group's first connections begin within this time and the group's think time, ms. */
const START_MS = 200
const GOLDEN_RATIO = 0.618_033_988_75

/** Gaps of a flow that are kept, the last ones. */
const GAPS_KEPT = 400

/** Ends the flows' succession: what is open goes on to its end. */
let stopping = false
let open = 0
let nextFlow = 0

const now = (): number => performance.timeOrigin + performance.now()

/** One flow from connect() to its end. */
class Flow {
  readonly #number = nextFlow++
  readonly #down: Content
  readonly #up: Content
  readonly #socket: Socket
  readonly #hash = createHash('sha256')
  readonly #startedAt = now()
  readonly #ticker: NodeJS.Timeout
  #connectedAt: number | null = null
  #banner: number
  #sent = 0
  #received = 0
  #wrongAt = -1
  #error: string | null = null
  #movedAt: number
  #written = 0
  #gaps: [number, number][] = []
  #idling = false
  #idled = false
  #ended = false

  constructor(
    private readonly orders: ClientOrders,
    private readonly index: number,
    private readonly group: LoadGroup,
    private readonly done: () => void,
  ) {
    this.#down = new Content(this.#number, 1)
    this.#up = new Content(this.#number, 0)
    this.#banner = group.serverFirst ? BANNER.length : 0
    this.#movedAt = this.#startedAt
    this.#socket = connect({
      host: orders.address,
      port: group.serverFirst ? orders.bannerPort : orders.port,
      allowHalfOpen: true,
      noDelay: true,
    })
    this.#socket.on('connect', () => {
      this.#connectedAt = now()
      this.#moved()
      if (!group.serverFirst) this.#begin()
    })
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#socket.on('end', () => this.#peerClosed())
    this.#socket.on('error', (failure: NodeJS.ErrnoException) => {
      this.#error ??= failure.code ?? failure.message
    })
    this.#socket.on('close', () => this.#finish())
    this.#ticker = setInterval(() => this.#tick(), TICK_MS)
  }

  #begin(): void {
    const {up, down, halfClose} = this.group
    this.#socket.write(writeFlowHeader({flow: this.#number, up, down, serverCloses: halfClose === 'server'}))
    this.#send()
  }

  #send(): void {
    const {up, idle, halfClose} = this.group
    while (this.#sent < up && !this.#idling) {
      if (idle !== undefined && !this.#idled && this.#sent >= up / 2) {
        this.#idling = true
        this.#idled = true
        setTimeout(() => {
          this.#idling = false
          this.#moved()
          this.#send()
        }, idle)
        return
      }

      const part = this.#up.slice(this.#sent, Math.min(CHUNK, up - this.#sent))
      this.#sent += part.length
      if (!this.#socket.write(part)) {
        this.#socket.once('drain', () => this.#send())
        return
      }
    }

    if (this.#sent >= up && halfClose === 'client' && !this.#socket.writableEnded) this.#socket.end()
  }

  #take(chunk: Buffer): void {
    this.#moved()
    let bytes = chunk
    if (this.#banner > 0) {
      const part = bytes.subarray(0, this.#banner)
      if (part.compare(BANNER, BANNER.length - this.#banner, BANNER.length - this.#banner + part.length) !== 0) {
        this.#wrongAt = 0
      }

      this.#banner -= part.length
      bytes = bytes.subarray(part.length)
      if (this.#banner === 0) this.#begin()
    }

    this.#hash.update(bytes)
    if (this.#wrongAt < 0) this.#wrongAt = this.#down.differs(this.#received, bytes)
    this.#received += bytes.length
    const {readRate, down} = this.group
    if (readRate !== undefined && this.#received < down) {
      this.#socket.pause()
      setTimeout(() => this.#socket.resume(), (bytes.length / readRate) * 1000)
    }
  }

  #peerClosed(): void {
    this.#moved()
    if (!this.#socket.writableEnded && this.#sent >= this.group.up) this.#socket.end()
  }

  #moved(): void {
    this.#noteGap()
    this.#movedAt = now()
  }

  #noteGap(): void {
    const at = now()
    // Who waits by order, or reads slowly by order, is owed nothing.
    if (this.#idling || this.group.readRate !== undefined || at - this.#movedAt < SHORTEST_GAP_MS) return
    this.#gaps.push([this.#movedAt, at])
    if (this.#gaps.length > GAPS_KEPT) this.#gaps.shift()
  }

  #tick(): void {
    const {bytesWritten, writableLength} = this.#socket
    const given = bytesWritten - writableLength
    if (given > this.#written) {
      this.#written = given
      this.#moved()
    }

    if (now() - this.#startedAt > this.orders.deadlineMs) {
      this.#error ??= 'TIMEOUT'
      this.#socket.destroy()
    }
  }

  #finish(): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#ticker)
    this.#noteGap()
    const report: ClientReport = {
      flow: this.#number,
      group: this.index,
      startedAt: this.#startedAt,
      connectedAt: this.#connectedAt,
      endedAt: now(),
      received: this.#received,
      expected: this.group.down,
      wrongAt: this.#wrongAt,
      sha256: this.#hash.digest('hex'),
      error: this.#error,
      gaps: this.#gaps,
    }
    process.stdout.write(JSON.stringify(report) + '\n')
    this.done()
  }
}

/** Half to one and a half times what the group says, evenly spread: connections do not march in step. */
function thinkTime({think = 0}: LoadGroup, flow: number): number {
  return think * (0.5 + ((flow * GOLDEN_RATIO) % 1))
}

function runGroup(orders: ClientOrders, index: number): void {
  const group = orders.groups[index]
  const next = (): void => {
    if (stopping) {
      if (open === 0) process.exit(0)
      return
    }

    open++
    const number = nextFlow
    new Flow(orders, index, group, () => {
      open--
      setTimeout(next, thinkTime(group, number))
    }).valueOf()
  }

  const spread = START_MS + (group.think ?? 0)
  for (let i = 0; i < group.flows; i++) setTimeout(next, (i * spread) / group.flows)
}

const orders = JSON.parse(process.argv[2]) as ClientOrders
nextFlow = orders.firstFlow
createInterface({input: process.stdin}).on('line', (line) => {
  if (line === 'stop') stopping = true
  if (stopping && open === 0) process.exit(0)
})
for (const index of orders.groups.keys()) runGroup(orders, index)
// After the first connection of each group: who says stop at once still gets those.
setTimeout(() => process.stdout.write(`started, header ${HEADER_LENGTH}\n`), 0)
