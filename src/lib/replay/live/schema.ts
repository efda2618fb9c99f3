import {z} from 'zod'

import {distributionSchema} from '../model/distribution.js'
import {MODEL_PATHS} from '../model/opening.js'

const distribution = distributionSchema.nullable()
const count = z.number().int().nonnegative()

/** Times in ms since the client called connect(). Null without samples. */
const timesSchema = z.strictObject({
  connectMs: distribution,
  handshakeMs: distribution,
  firstByteMs: distribution,
  completedMs: distribution,
})

/** Direct less this path, per connection. */
const savedSchema = z.strictObject({
  measured: distribution,
  modelled: distribution,
  /** Measured less modelled, per connection. */
  differenceMs: distribution,
  /**
   * What of that is no round trip: direct less this path over links without delay, medians of small conversations. Null
   * when none was played.
   */
  programsMs: z.number().nullable(),
  /** The difference less that, per connection. */
  unexplainedMs: distribution,
})

const liveRowSchema = z.strictObject({
  path: z.enum(MODEL_PATHS),
  /** Round trip of the replication link of the edge's pair; null where the edge stands alone. */
  replicationAckMs: z.number().nonnegative().nullable(),
  played: count,
  failed: count,
  /** What the failed ones said, each once. */
  errorMessages: z.array(z.string()),
  measured: timesSchema,
  modelled: timesSchema,
  /** Null for direct. */
  handshakeSavedMs: savedSchema.nullable(),
  firstByteSavedMs: savedSchema.nullable(),
  /**
   * Whether the median of what is unexplained of the handshake saving is at most 2 ms or 3 % of the modelled saving; null
   * without samples.
   */
  agrees: z.boolean().nullable(),
})

/** What `--live` adds to the JSON of `overlay replay`. */
export const liveResultSchema = z.strictObject({
  /** How many were to be played, over each path. */
  connections: count,
  leftOut: z.array(z.strictObject({reason: z.string(), connections: count})),
  /** Bytes of their streams, and how many of them were not captured and are filled with known content. */
  bytes: count,
  fillerBytes: count,
  /** How often each was played over each path; the shortest of its times counts. */
  repeats: count,
  speedUp: z.number().positive(),
  concurrency: count,
  /** Round trips of the direct path that the lab's links were set to, one for each group of connections. */
  labRttMs: z.array(z.number()),
  congestionControl: z.string(),
  rows: z.array(liveRowSchema),
  /** Handshake times over links without delay, medians in ms: what is no round trip, and not in the model. */
  explained: z.strictObject({
    /** Direct: the carrying of packets, kernels, and the two programs at the ends. */
    directMs: z.number().nullable(),
    /** Zero-RTT beyond that: two relays. */
    relaysMs: z.number().nullable(),
    /** A pair beyond zero-RTT without one: the owner's and the backup's own work. */
    pairMs: z.number().nullable(),
  }),
  /** False when the deadline came first. */
  complete: z.boolean(),
  /** Every row has samples and agrees. */
  agrees: z.boolean(),
})

export type LiveResult = z.infer<typeof liveResultSchema>
export type LiveRow = z.infer<typeof liveRowSchema>
export type LiveTimes = z.infer<typeof timesSchema>
