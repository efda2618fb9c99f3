import {z} from 'zod'

import {round} from '../../bench/percentiles.js'
import {OverlayError} from '../../errors/index.js'

const ms = z.number().nonnegative()
const perLeg = z.strictObject({clientEdge: ms, edgeGateway: ms, gatewayOrigin: ms})

/** Legs of the overlay's path: round trips in ms, the same for all connections, or shares of each connection's measured one. */
const legsSchema = z.discriminatedUnion('kind', [
  perLeg.extend({kind: z.literal('absolute')}),
  perLeg.extend({kind: z.literal('shares')}),
])

/** What the model is told. docs/REPLAY.md has the formulas. */
export const modelParametersSchema = z.strictObject({
  legs: legsSchema,
  /** Round trip of the overlay's path to the measured one. 1 when legs are absolute: they say it themselves. */
  pathStretch: z.number().positive(),
  /** How long the gateway's connect to the origin takes; null: one round trip of that leg. */
  originConnectMs: ms.nullable(),
  /** Of every sender, in segments. */
  initialWindow: z.number().int().positive(),
  /** Payload of a full segment on every leg; null: as the captured connection's two sides offered it. */
  mssBytes: z.number().int().positive().nullable(),
  /** By what a window grows in a round trip in which it was used up: 2 is slow start with every byte acknowledged. */
  growth: z.number().min(1),
  /** No window grows beyond this. */
  maxWindowBytes: z.number().int().positive(),
  /** Whether a SYN/ACK to a client waits for the backup. overlay's does not: it is keyed and stateless. */
  synAck: z.enum(['stateless', 'withheld']),
  /** Regions on two servers. */
  pairs: z.array(z.enum(['edge', 'gateway'])).min(1),
  /** Latencies at which a pair is modelled: from sending bytes to the backup to its acknowledgement. Ascending. */
  replicationAckMs: z.array(ms).min(1),
})

export type ModelParameters = z.infer<typeof modelParametersSchema>

/** Round trips of the three legs, ms. */
export type LegRtts = z.infer<typeof perLeg>

export const DEFAULT_PARAMETERS: ModelParameters = {
  legs: {kind: 'shares', clientEdge: 0.1, edgeGateway: 0.88, gatewayOrigin: 0.02},
  pathStretch: 1,
  originConnectMs: null,
  initialWindow: 10,
  mssBytes: null,
  growth: 2,
  maxWindowBytes: 4 << 20,
  synAck: 'stateless',
  pairs: ['edge'],
  replicationAckMs: [0, 0.5, 1, 2, 5, 10, 20],
}

/** The longest round trip that is taken for one, ms: as in the lab. */
const LONGEST_MS = 120_000
/** By how much shares may miss 1. */
const SHARES_SLACK = 1e-6

/**
 * Legs from a flag: three numbers apart by commas, client to edge, edge to gateway, gateway to origin.
 *
 * @param kind `absolute`: ms, each 0 to 120000; `shares`: of the measured round trip, together 1
 * @throws OverlayError USAGE that names the flag and the value
 */
export function parseLegs(text: string, kind: ModelParameters['legs']['kind'], flag: string): ModelParameters['legs'] {
  const numbers = parseNumbers(text, flag)
  if (numbers.length !== 3) {
    throw new OverlayError('USAGE', `${flag} ${text}: three numbers are needed, not ${numbers.length}`, {
      suggestions: [`${flag} ${kind === 'absolute' ? '10,80,2' : '0.1,0.88,0.02'}`],
    })
  }

  const [clientEdge, edgeGateway, gatewayOrigin] = numbers
  const sum = clientEdge + edgeGateway + gatewayOrigin
  if (kind === 'shares' && Math.abs(sum - 1) > SHARES_SLACK) {
    throw new OverlayError('USAGE', `${flag} ${text}: the shares add up to ${round(sum)}, not 1`, {
      suggestions: ['--path-stretch makes the whole path longer or shorter than the measured one'],
    })
  }

  return {kind, clientEdge, edgeGateway, gatewayOrigin}
}

/**
 * Latencies from a flag, apart by commas: ms, ascending, each once.
 *
 * @throws OverlayError USAGE that names the flag and the value
 */
export function parseLatencies(text: string, flag: string): number[] {
  return [...new Set(parseNumbers(text, flag))].sort((a, b) => a - b)
}

function parseNumbers(text: string, flag: string): number[] {
  return text.split(',').map((word) => {
    const trimmed = word.trim()
    const value = Number(trimmed)
    if (!/^\d*\.?\d+$/.test(trimmed) || value > LONGEST_MS) {
      throw new OverlayError(
        'USAGE',
        `${flag} ${text}: ${trimmed || 'an empty word'} is not a number from 0 to ${LONGEST_MS}`,
      )
    }

    return value
  })
}

/** The overlay's legs for a connection. @param rttMs measured on its path */
export function legsFor({legs, pathStretch}: ModelParameters, rttMs: number): LegRtts {
  const scale = legs.kind === 'absolute' ? 1 : rttMs * pathStretch
  return {
    clientEdge: legs.clientEdge * scale,
    edgeGateway: legs.edgeGateway * scale,
    gatewayOrigin: legs.gatewayOrigin * scale,
  }
}
