import {z} from 'zod'

/**
 * What one direction of a link does to packets. Times in milliseconds, one way; percentages 0 to 100.
 */
export interface DirectionParameters {
  /** 0 to 60000. */
  delayMs: number
  /** Added to the delay, evenly spread from 0; packets keep their order. */
  jitterMs: number
  lossPercent: number
  duplicatePercent: number
  /** The share of packets that wait `reorderDelayMs` longer, so that those behind pass them. */
  reorderPercent: number
  reorderDelayMs: number
  /** 10^6 bit/s of Ethernet frames without preamble and checksum; 0 for no limit. */
  rateMbit: number
  /** Bytes that may wait for the rate; what comes then is dropped. */
  queueBytes: number
  /** Of the random choices; the same seed and packets give the same losses. */
  seed: number
  /** Chosen packets to drop: `KIND:N` of each new flow, `KIND#N` of all flows, N or N-M. */
  drop: string[]
  /** Chosen packets to send twice. */
  copy: string[]
  /** Chosen packets to delay longer: `KIND:N+MS`. */
  hold: string[]
}

const percent = z.number().min(0).max(100)
const milliseconds = z.number().min(0).max(60_000)
const PACKET = String.raw`(?:any|syn|synack|ack|data|fin|rst)[:#][1-9]\d{0,8}(?:-[1-9]\d{0,8})?`
const chosen = z.array(z.string().regex(new RegExp(`^${PACKET}$`), 'a rule is KIND:N or KIND#N, e.g. syn:1')).max(16)
const held = z
  .array(z.string().regex(new RegExp(String.raw`^${PACKET}\+\d+(?:\.\d+)?$`), 'a rule is KIND:N+MS, e.g. data:2+5'))
  .max(16)

/** The keys of one direction, all optional. */
export const directionShape = {
  delayMs: milliseconds.optional(),
  jitterMs: milliseconds.optional(),
  lossPercent: percent.optional(),
  duplicatePercent: percent.optional(),
  reorderPercent: percent.optional(),
  reorderDelayMs: milliseconds.optional(),
  rateMbit: z.number().min(0).max(100_000).optional(),
  queueBytes: z.number().int().min(0).max(1_000_000_000).optional(),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 50)
    .optional(),
  drop: chosen.optional(),
  copy: chosen.optional(),
  hold: held.optional(),
}

export const DEFAULT_DIRECTION: DirectionParameters = {
  delayMs: 0,
  jitterMs: 0,
  lossPercent: 0,
  duplicatePercent: 0,
  reorderPercent: 0,
  reorderDelayMs: 1,
  rateMbit: 0,
  queueBytes: 1_048_576,
  seed: 1,
  drop: [],
  copy: [],
  hold: [],
}

/** A change of one direction; what is not named stays as it is. */
export type DirectionChange = Partial<DirectionParameters>

/** A change of a link: `rttMs` gives each direction it touches half; not together with `delayMs`, which is one way. */
export interface LinkChange extends DirectionChange {
  rttMs?: number
}

/** The change of a direction that a change of a link means. */
export function directionChange({rttMs, ...change}: LinkChange): DirectionChange {
  const defined = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  return rttMs === undefined ? defined : {...defined, delayMs: rttMs / 2}
}

/** True when the direction asks for what only the delay line can do. */
export function needsDelayLine(direction: DirectionParameters): boolean {
  const rules = direction.drop.length + direction.copy.length + direction.hold.length
  return rules > 0 || direction.reorderPercent > 0
}
