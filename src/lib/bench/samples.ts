import type {ExchangeOutcome} from './client-process.js'
import {distribution, round, type Percentiles} from './percentiles.js'
import type {ContactResult, HandshakeBench, PathName, PathResult} from './schema.js'

export type Contact = 'first' | 'repeated'

/** What came of every exchange over one path. */
export class Samples {
  readonly #outcomes = new Map<string, ExchangeOutcome[]>()
  #skipped: string | undefined
  /** See the schema. */
  middleConnectMs: Percentiles | undefined

  constructor(
    readonly name: PathName,
    readonly sizes: readonly number[],
  ) {}

  add(requestBytes: number, contact: Contact, outcome: ExchangeOutcome): void {
    const key = `${requestBytes} ${contact}`
    const outcomes = this.#outcomes.get(key)
    if (outcomes) outcomes.push(outcome)
    else this.#outcomes.set(key, [outcome])
  }

  /** @param reason in a phrase */
  skip(reason: string): void {
    this.#skipped = reason
  }

  result(): PathResult {
    const sizes = this.sizes.map((requestBytes) => ({
      requestBytes,
      first: summarize(this.#outcomes.get(`${requestBytes} first`) ?? []),
      repeated: summarize(this.#outcomes.get(`${requestBytes} repeated`) ?? []),
    }))
    const {connectMs, requestAtOriginMs, firstByteMs} = sizes[0].repeated
    const messages = [...this.#outcomes.values()]
      .flat()
      .flatMap((outcome) => ('error' in outcome ? [outcome.error] : []))
    return {
      name: this.name,
      connectMs,
      requestAtOriginMs,
      firstByteMs,
      errors: messages.length,
      errorMessages: [...new Set(messages)],
      ...(this.#skipped !== undefined && {skipped: this.#skipped}),
      ...(this.middleConnectMs && {middleConnectMs: this.middleConnectMs}),
      sizes: this.#skipped === undefined ? sizes : [],
    }
  }
}

function summarize(outcomes: ExchangeOutcome[]): ContactResult {
  const good = outcomes.flatMap((outcome) => ('error' in outcome ? [] : [outcome]))
  return {
    connectMs: distribution(good.map((outcome) => outcome.connectMs)),
    requestAtOriginMs: distribution(good.map((outcome) => outcome.requestAtOriginMs)),
    firstByteMs: distribution(good.map((outcome) => outcome.firstByteMs)),
    samples: good.length,
    errors: outcomes.length - good.length,
  }
}

/**
 * The least that a client can wait which does a handshake with the edge first: one round trip to the edge, then half of
 * one, or a whole one, over the whole path.
 */
export function floorOf(rtt: HandshakeBench['rttMs']): HandshakeBench['floorMs'] {
  const wholePath = rtt.clientEdge + rtt.edgeGateway + rtt.gatewayOrigin
  return {requestAtOrigin: round(rtt.clientEdge + wholePath / 2), firstByte: round(rtt.clientEdge + wholePath)}
}
