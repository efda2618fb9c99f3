import {z} from 'zod'

import {failuresShape, figureTo, loadShare, machineSchema} from './load-schema.js'

/** An edge without a backup, and one with. */
export const REPLICATION_PATHS = ['alone', 'pair'] as const
export type ReplicationPath = (typeof REPLICATION_PATHS)[number]

/** What ratios are to. */
export const REPLICATION_REFERENCES = ['alone'] as const

const figure = figureTo(REPLICATION_REFERENCES)
const ms = z.number().nonnegative()
const percentilesSchema = z.strictObject({p50: ms, p90: ms, p99: ms}).nullable()

/** What acknowledgements wait for the backup, beside what its link takes by itself. */
const ackSchema = z.strictObject({
  /** From the last of two full segments leaving the client to its acknowledgement, over all rounds. */
  aloneMs: percentilesSchema,
  pairMs: percentilesSchema,
  /** Of each round: the p50 with the backup less that without. */
  addedMs: z.strictObject({median: z.number(), lowest: z.number(), highest: z.number()}).nullable(),
  /** The replication link's own round trip, from kernel to kernel: a SYN that is answered by an RST. */
  linkRttMs: percentilesSchema,
  /** 1.5 times the p50 of the link's round trip, and 0.3 ms. */
  goalMs: ms.nullable(),
})

/** The JSON of `overlay bench replication`. */
export const replicationBenchSchema = z.strictObject({
  bench: z.literal('replication'),
  /** All links, that of replication too: bridges, which add nothing. */
  links: z.literal('bridge'),
  /** Of every socket of every host. */
  congestionControl: z.string(),
  rounds: z.number().int(),
  /** That one transfer lasts. */
  ms: z.number().int(),
  machine: machineSchema,
  cases: z.array(
    z.strictObject({
      direction: z.enum(['up', 'down']),
      streams: z.number().int(),
      loadShare,
      paths: z.array(
        z.strictObject({
          name: z.enum(REPLICATION_PATHS),
          ...failuresShape,
          /** 10^9 bit/s of payload that arrived. */
          gbitPerSecond: figure,
          /** CPU of the processes of all relays, the backup among them, s for 10^9 bytes. */
          cpuSecondsPerGb: figure,
          /** Bytes that left the owner on the replication link for each byte of payload; null without a backup. */
          replicatedPerByte: figure,
        }),
      ),
    }),
  ),
  ack: ackSchema,
  /** The most that the backup held at a time, bytes. */
  journalHighestBytes: z.number().int(),
  warnings: z.array(z.string()).optional(),
})

export type ReplicationBench = z.infer<typeof replicationBenchSchema>
