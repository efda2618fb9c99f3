import {z} from 'zod'

const ms = z.number().nonnegative()
const count = z.number().int().nonnegative()

/** Of one kind of round trip, in ms; null without samples. */
const rttSchema = z.strictObject({min: ms, p50: ms, p90: ms, max: ms, mean: ms, stdev: ms, last: ms})

export const VERDICTS = ['zero-rtt', 'ordinary', 'blocked', 'closed', 'filtered', 'unreachable'] as const

export const handshakeSchema = z.strictObject({
  /** From the SYN leaving this host to the SYN/ACK or RST arriving, by packet timestamps. */
  rttMs: rttSchema.nullable(),
  /** SYNs. */
  sent: count,
  /** SYN/ACKs and RSTs of the target that came within the timeout. */
  received: count,
  /** Of `sent`, in percent: no answer of any kind. */
  lossPercent: z.number().min(0).max(100),
  answers: z.strictObject({synAck: count, reset: count, filtered: count, unreachable: count, silent: count}),
  /** Who refused, each once, with the words of it. */
  refusals: z.array(z.strictObject({from: z.string().nullable(), what: z.string()})),
})

export const targetSchema = z.strictObject({
  /** As given, with the port. */
  target: z.string(),
  address: z.string(),
  port: z.number().int(),
  /** This host's address and interface; null without a route. */
  source: z.string().nullable(),
  device: z.string().nullable(),
  verdict: z.enum(VERDICTS),
  reasons: z.array(z.string()),
  advice: z.array(z.string()),
  handshake: handshakeSchema,
  zeroRtt: z.null(),
  conditions: z.array(z.never()),
  /** The probe was ended before it was done. */
  interrupted: z.boolean(),
})

export type Handshake = z.infer<typeof handshakeSchema>
export type TargetReport = z.infer<typeof targetSchema>
export type Verdict = (typeof VERDICTS)[number]

/** The JSON of `overlay probe`: of one target its report, of several `targets`. */
export const probeSchema = z.union([targetSchema, z.strictObject({targets: z.array(targetSchema)})])
export type ProbeReport = z.infer<typeof probeSchema>
