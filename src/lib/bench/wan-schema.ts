import {z} from 'zod'

import {failuresShape, figureTo, loadShare, machineSchema} from './load-schema.js'

/** The ways from client to origin that are compared over a long middle leg, in the order of the table. */
export const WAN_PATHS = ['zero-rtt', 'split', 'haproxy'] as const
export type WanPath = (typeof WAN_PATHS)[number]

/** What ratios are to. */
export const WAN_REFERENCES = ['haproxy'] as const

const figure = figureTo(WAN_REFERENCES)
const spread = z.strictObject({median: z.number(), lowest: z.number(), highest: z.number()}).nullable()

/** One kind of transfer over a middle leg of one kind. */
const caseSchema = z.strictObject({
  /** Of the middle leg, as configured. */
  rttMs: z.number(),
  /** Share of its packets that are lost each way, percent. */
  lossPercent: z.number(),
  bytes: z.number().int(),
  direction: z.enum(['up', 'down']),
  /** first: no host remembers a connection to another. later: after others between the same hosts. */
  contact: z.enum(['first', 'later']),
  loadShare,
  paths: z.array(
    z.strictObject({
      name: z.enum(WAN_PATHS),
      ...failuresShape,
      /** From the client's connect() to the last byte (down) or to the origin's count of all bytes (up). */
      ms: figure,
      /** From the client's connect() to the first byte; null of uploads. */
      firstByteMs: figure,
      /** Packets of a transfer, both ways, that the middle leg lost by chance, and because its queue was full. */
      lostPackets: figure,
      queueDrops: figure,
    }),
  ),
  /** By how many ms zero-rtt was sooner than haproxy in the same round. */
  sooner: z.strictObject({ms: spread, firstByteMs: spread}),
  /**
   * The zero-RTT leg's congestion control beside the same one after an ordinary handshake: the time of zero-rtt to that of
   * split less one round trip of the middle leg, which is split's handshake, in the same round.
   */
  toSplitAfterHandshake: spread,
})

/** The JSON of `overlay bench wan`. */
export const wanBenchSchema = z.strictObject({
  bench: z.literal('wan'),
  /** Of every socket of every host. */
  congestionControl: z.string(),
  /** Round trips of the links client-edge and gateway-origin, which lose nothing and have no rate. */
  otherRttMs: z.number(),
  /** Of the middle leg, each way: 10^6 bit/s of Ethernet frames, and bytes that may wait for them. */
  rateMbit: z.number(),
  queueBytes: z.number().int(),
  rounds: z.number().int(),
  /** Rounds that were played to their end, fewer when the time was up. */
  roundsPlayed: z.number().int(),
  skipped: z.array(z.strictObject({name: z.enum(WAN_PATHS), reason: z.string()})),
  machine: machineSchema,
  cases: z.array(caseSchema),
  warnings: z.array(z.string()).optional(),
})

export type WanBench = z.infer<typeof wanBenchSchema>
export type WanCase = z.infer<typeof caseSchema>
