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

/** Of exchanges with data against an overlay gateway; ms after the SYN left, medians. Null where nothing succeeded. */
export const zeroRttSchema = z.strictObject({
  /** Until the first data left: the dummy SYN/ACK made and answered, by this program. */
  connectMs: ms.nullable(),
  /** Until the SYN/ACK with the suggested number arrived. */
  realSynAckMs: ms.nullable(),
  /** Until the gateway's acknowledgement of the data arrived. */
  dataAcceptedMs: ms.nullable(),
  /** The same after an ordinary handshake. */
  ordinaryDataAcceptedMs: ms.nullable(),
  /** The difference of the two. */
  savedMs: z.number().nullable(),
  /** Openings, and what became of them. */
  sent: count,
  confirmed: count,
  /** Of `confirmed`: by the acknowledgement of the early data alone; the SYN, or the SYN/ACK, was lost. */
  confirmedByData: count,
  accepted: count,
  otherNumber: count,
  reset: count,
  ordinary: z.strictObject({sent: count, accepted: count}),
  /** A holder of the key answered. */
  gateway: z.boolean(),
})

/**
 * How much later than the path alone would have it the first data of connections is acknowledged: what waiting for a
 * backup takes. ms.
 */
export const replicationSchema = z.strictObject({
  /** `zero-rtt`: connections that a gateway relays (--replication); `ordinary`: to any target (--replication-data). */
  opening: z.enum(['zero-rtt', 'ordinary']),
  /** Connections, and how many of them a gateway took, or any target acknowledged, in time; the figures are of these. */
  sent: count,
  accepted: count,
  /** From the SYN to the SYN/ACK: in zero-rtt the one with the suggested number, which waits for no backup. */
  pathRttMs: rttSchema,
  /** From data leaving to its acknowledgement. */
  ackMs: rttSchema,
  /** Of each connection the second less the first. */
  addedMs: z.strictObject({min: z.number(), p50: z.number(), p90: z.number(), max: z.number()}),
})

/** One thing that the path may or may not tolerate. */
export const variantSchema = z.strictObject({
  name: z.string(),
  what: z.string(),
  tries: count,
  /** Null where the target says nothing either way. */
  answered: z.boolean().nullable(),
  /** The packet reached the gateway, by its echo; null without one, and where it was not sent. */
  arrived: z.boolean().nullable(),
  detail: z.string().nullable(),
})

/** Packets with early data, IP header included, in bytes. */
export const segmentSizesSchema = z.strictObject({
  /** What fills this host's interface. */
  triedBytes: count,
  /** The largest that was acknowledged; null when not even the least that every path carries was. */
  acceptedBytes: count.nullable(),
  /** Who said that a packet was too large, and what it takes; null when nobody did. */
  refusedBy: z.strictObject({from: z.string(), mtu: count}).nullable(),
})

/** What the path does to packets, by name; docs/PROBE.md lists the names. */
export const conditionSchema = z.strictObject({
  name: z.string(),
  what: z.string(),
  direction: z.enum(['outbound', 'inbound']).nullable(),
  evidence: z.enum(['echo', 'quote', 'variant']),
  sent: z.union([z.number(), z.string()]).nullable(),
  arrived: z.union([z.number(), z.string()]).nullable(),
  /** Where the packet was first seen changed; null when that is not known. */
  hop: z.strictObject({ttl: z.number().int(), address: z.string()}).nullable(),
})

/** Who answered SYNs whose hop limit ended on the way. */
export const hopSchema = z.strictObject({
  ttl: z.number().int(),
  /** Null when nobody answered. */
  address: z.string().nullable(),
  rttMs: ms.nullable(),
  /** The target itself answered. */
  target: z.boolean(),
  /** Names of what had happened to the packet when it came here, as far as the router quotes it. */
  changes: z.array(z.string()),
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
  /** Null without a key file, and where handshakes fail. */
  zeroRtt: zeroRttSchema.nullable(),
  conditions: z.array(conditionSchema),
  /** With --replication or --replication-data; null where it could not be measured, which a warning explains. */
  replication: replicationSchema.nullable().optional(),
  /** With --variants. */
  variants: z.array(variantSchema).optional(),
  /** With --variants and a key, where early data passes. */
  segmentSizes: segmentSizesSchema.optional(),
  /** With --path. */
  path: z.array(hopSchema).optional(),
  /** With --echo: this host's address as the gateway sees it. */
  echo: z.strictObject({seenAs: z.string(), packets: count, withheld: count}).optional(),
  /** The probe was ended before it was done. */
  interrupted: z.boolean(),
})

export type Handshake = z.infer<typeof handshakeSchema>
export type TargetReport = z.infer<typeof targetSchema>
export type Verdict = (typeof VERDICTS)[number]

/** The JSON of `overlay probe`: of one target its report, of several `targets`. */
export const probeSchema = z.union([targetSchema, z.strictObject({targets: z.array(targetSchema)})])
export type ProbeReport = z.infer<typeof probeSchema>
export type ZeroRtt = z.infer<typeof zeroRttSchema>
export type Replication = z.infer<typeof replicationSchema>
export type SegmentSizes = z.infer<typeof segmentSizesSchema>
export type VariantResult = z.infer<typeof variantSchema>
export type Hop = z.infer<typeof hopSchema>
