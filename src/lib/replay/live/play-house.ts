import {createHash} from 'node:crypto'
import {writeFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {createInterface} from 'node:readline'

import {nodeCommand} from '../../cli/node-entry.js'
import {OverlayError} from '../../errors/index.js'
import type {HostProcess} from '../../lab/host-process.js'
import type {Lab} from '../../lab/lab.js'
import type {ClientAnswer, OriginAnswer, PlayOrder} from './orders.js'
import type {PlannedConnection} from './plan.js'

const READY_MS = 15_000
/** Both processes end a conversation by themselves when it takes too long; so much later they are taken for stuck, ms. */
const ANSWER_MS = 10_000

/** Where a conversation is played: the client connects there, the origin expects it on its own port. */
export interface Place {
  address: string
  port: number
  originPort: number
}

/** Measured, in ms since the client called connect(). */
export interface PlayTimes {
  connectMs: number
  /** The origin's program has the connection. */
  acceptMs: number
  /** First bytes of each side have arrived at the other one; null when it sends none. */
  requestAtOriginMs: number | null
  firstByteMs: number | null
  /** The last byte has arrived, wherever; null when none is sent. */
  completedMs: number | null
}

export type PlayOutcome = {times: PlayTimes} | {error: string}

type OriginReport = Extract<OriginAnswer, {armed: false}>

/** What is still awaited of one conversation. */
interface Awaited {
  armed(): void
  client(answer: ClientAnswer): void
  origin(answer: OriginReport): void
  failed(error: Error): void
}

/** The two processes of a lab that play conversations: in its client and in its origin. */
export class PlayHouse {
  /** Connections that came to the origin without having been announced. */
  strangers = 0
  readonly #awaited = new Map<number, Awaited>()
  #plays = 0
  #closing = false
  /** Why nothing can be played any more. */
  #failure: OverlayError | null = null

  private constructor(
    private readonly lab: Lab,
    private readonly client: HostProcess,
    private readonly origin: HostProcess,
  ) {}

  /**
   * @param firstPort and `count` ports from it are the origin's
   * @throws OverlayError UNREACHABLE when the origin does not start
   */
  static async open(lab: Lab, originAddress: string, firstPort: number, count: number): Promise<PlayHouse> {
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    const words = [
      ...nodeCommand(new URL('origin-process.js', import.meta.url)),
      originAddress,
      String(firstPort),
      String(count),
    ]
    const origin = lab.spawn('origin', words, {stdio: [...stdio]})
    const client = lab.spawn('client', nodeCommand(new URL('client-process.js', import.meta.url)), {stdio: [...stdio]})
    const house = new PlayHouse(lab, client, origin)
    createInterface({input: client.child.stdout!}).on('line', (line) => house.#clientSays(line))
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new OverlayError('DEADLINE_EXCEEDED', `the origin is not ready after ${READY_MS / 1000} s`)),
        READY_MS,
      )
      createInterface({input: origin.child.stdout!}).on('line', (line) => {
        if (line !== 'ready') return house.#originSays(line)
        clearTimeout(timer)
        resolve()
      })
      origin.exited
        .finally(() => clearTimeout(timer))
        .then(() => reject(new OverlayError('UNREACHABLE', 'the origin ended as soon as it was started')), reject)
    })
    for (const [what, {child, exited}] of [
      ['client', client],
      ['origin', origin],
    ] as const) {
      child.stdin!.on('error', () => {}) // its end is reported below
      exited.then(
        () => house.#ended(what),
        () => house.#ended(what),
      )
    }

    return house
  }

  /**
   * Plays one conversation, and checks at both ends that all bytes arrived as they were sent.
   *
   * @throws OverlayError INTERNAL when one of the two processes has ended, DEADLINE_EXCEEDED when one does not answer; what
   *   goes wrong with the conversation is in its outcome
   */
  async play(planned: PlannedConnection, place: Place, timeoutMs: number): Promise<PlayOutcome> {
    if (this.#failure !== null) throw this.#failure
    const play = this.#plays++
    const {turns} = planned
    const bytes = planned.bytes()
    const file = (side: 'client' | 'origin'): string => join(this.lab.host(side).runDir, `play-${play}`)
    let timer: NodeJS.Timeout | undefined
    try {
      writeFileSync(file('client'), bytes.client)
      writeFileSync(file('origin'), bytes.server)
      const order: Omit<PlayOrder, 'own' | 'port'> = {play, turns, timeoutMs, address: place.address}
      const [client, origin] = await new Promise<[ClientAnswer, OriginReport]>((resolve, reject) => {
        let client: ClientAnswer | null = null
        let origin: OriginReport | null = null
        const both = (): void => {
          if (client && origin) resolve([client, origin])
        }

        this.#awaited.set(play, {
          armed: () => write(this.client, {...order, own: file('client'), port: place.port}),
          client(answer) {
            client = answer
            both()
          },
          origin(answer) {
            origin = answer
            both()
          },
          failed: reject,
        })
        timer = setTimeout(() => {
          const silent = origin === null ? 'origin' : 'client'
          reject(new OverlayError('DEADLINE_EXCEEDED', `the playing ${silent} does not answer`))
        }, timeoutMs + ANSWER_MS)
        write(this.origin, {...order, own: file('origin'), port: place.originPort})
      })
      return outcomeOf(client, origin, bytes)
    } finally {
      clearTimeout(timer)
      this.#awaited.delete(play)
      for (const side of ['client', 'origin'] as const) rmSync(file(side), {force: true})
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([this.client.stop(), this.origin.stop()])
  }

  #clientSays(line: string): void {
    const answer = JSON.parse(line) as ClientAnswer
    this.#awaited.get(answer.play)?.client(answer)
  }

  #originSays(line: string): void {
    const answer = JSON.parse(line) as OriginAnswer
    if (answer.play === null) {
      this.strangers++
      return
    }

    const awaited = this.#awaited.get(answer.play)
    if (answer.armed) awaited?.armed()
    else awaited?.origin(answer)
  }

  #ended(what: string): void {
    if (this.#closing) return
    this.#failure = new OverlayError('INTERNAL', `the playing ${what} has ended before its time`)
    for (const awaited of this.#awaited.values()) awaited.failed(this.#failure)
  }
}

function write({child}: HostProcess, order: PlayOrder): void {
  child.stdin!.write(JSON.stringify(order) + '\n')
}

function outcomeOf(
  client: ClientAnswer,
  origin: OriginReport,
  bytes: ReturnType<PlannedConnection['bytes']>,
): PlayOutcome {
  if (client.error !== null) return {error: `client: ${client.error}`}
  if (origin.error !== null) return {error: `origin: ${origin.error}`}
  if (client.sha256 !== sha256(bytes.server)) return {error: 'client: other bytes came than the origin sent'}
  if (origin.sha256 !== sha256(bytes.client)) return {error: 'origin: other bytes came than the client sent'}
  const since = (ns: string): number => Number(BigInt(ns) - BigInt(client.startedNs)) / 1e6
  const sinceOrNull = (ns: string | null): number | null => (ns === null ? null : since(ns))
  const ends = [client.lastReceivedNs, origin.lastReceivedNs].flatMap((ns) => (ns === null ? [] : [since(ns)]))
  return {
    times: {
      connectMs: since(client.connectedNs!),
      acceptMs: since(origin.acceptedNs!),
      requestAtOriginMs: sinceOrNull(origin.firstReceivedNs),
      firstByteMs: sinceOrNull(client.firstReceivedNs),
      completedMs: ends.length === 0 ? null : Math.max(...ends),
    },
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
