import {z} from 'zod'

import type {Ratio} from './ratio.js'

/** The ways from client to origin that load benches compare, in the order of the table. */
export const LOAD_PATHS = ['direct', 'split', 'zero-rtt', 'haproxy', 'haproxy-splice', 'nginx'] as const
export type LoadPath = (typeof LOAD_PATHS)[number]

/** What ratios are to. */
export const REFERENCES = ['haproxy', 'haproxy-splice'] as const satisfies readonly LoadPath[]

const spreadSchema = {median: z.number(), lowest: z.number(), highest: z.number()}

/** One quantity of one path. @param references paths that ratios are to */
export const figureTo = <const To extends readonly string[]>(references: To) =>
  z
    .strictObject({
      ...spreadSchema,
      /** A value of each round; null where the round failed. */
      rounds: z.array(z.number().nullable()),
      /** To each reference that was measured: the ratios of the rounds. */
      ratios: z.array(z.strictObject({to: z.enum(references), ...spreadSchema})),
    })
    .nullable()

const figureSchema = figureTo(REFERENCES)

/** While something was measured, shares of all processors' time. */
export const machineSchema = z.strictObject({stealShare: z.number(), othersShare: z.number()})

/** What every path of a case has. */
export const failuresShape = {
  /** Streams, exchanges or connections that failed, of all rounds. */
  failed: z.number().int(),
  /** What the failed said, each once. */
  messages: z.array(z.string()),
}

const pathShape = {name: z.enum(LOAD_PATHS), ...failuresShape}

/** Share of one processor that the busier of client and origin used in its busiest round, 0 to 1. */
export const loadShare = z.number()

const benchShape = {
  /** The links between client, edge, gateway and origin: bridges, which add nothing. */
  links: z.literal('bridge'),
  /** Of every socket of every host. */
  congestionControl: z.string(),
  rounds: z.number().int(),
  skipped: z.array(z.strictObject({name: z.enum(LOAD_PATHS), reason: z.string()})),
  machine: machineSchema,
  warnings: z.array(z.string()).optional(),
}

const caseOf = <Parameters extends z.ZodRawShape, Figures extends z.ZodRawShape>(
  parameters: Parameters,
  figures: Figures,
) => z.strictObject({...parameters, loadShare, paths: z.array(z.strictObject({...pathShape, ...figures}))})

/** The JSON of `overlay bench throughput`. */
export const throughputBenchSchema = z.strictObject({
  bench: z.literal('throughput'),
  ...benchShape,
  ms: z.number().int(),
  processes: z.number().int(),
  cases: z.array(
    caseOf(
      {direction: z.enum(['up', 'down']), streams: z.number().int()},
      /** 10^9 bit/s of payload that arrived; CPU of both relays' processes, s for 10^9 bytes. */
      {gbitPerSecond: figureSchema, cpuSecondsPerGb: figureSchema},
    ),
  ),
})

/** The JSON of `overlay bench connections`. */
export const connectionsBenchSchema = z.strictObject({
  bench: z.literal('connections'),
  ...benchShape,
  ms: z.number().int(),
  clients: z.number().int(),
  bytes: z.number().int(),
  cases: z.array(
    caseOf({processes: z.number().int()}, {connectionsPerSecond: figureSchema, cpuMsPerConnection: figureSchema}),
  ),
})

/** The JSON of `overlay bench latency`. */
export const latencyBenchSchema = z.strictObject({
  bench: z.literal('latency'),
  ...benchShape,
  ms: z.number().int(),
  processes: z.number().int(),
  connections: z.number().int(),
  bytes: z.number().int(),
  cases: z.array(
    caseOf({inFlight: z.number().int()}, {p50Ms: figureSchema, p99Ms: figureSchema, cpuMsPerExchange: figureSchema}),
  ),
})

/** The JSON of `overlay bench memory`. */
export const memoryBenchSchema = z.strictObject({
  bench: z.literal('memory'),
  ...benchShape,
  processes: z.number().int(),
  cases: z.array(caseOf({connections: z.number().int()}, {kibPerConnection: figureSchema})),
})

export type Reference = (typeof REFERENCES)[number]
export type Figure<To extends string = Reference> =
  (Ratio & {rounds: (number | null)[]; ratios: (Ratio & {to: To})[]}) | null
export type ThroughputBench = z.infer<typeof throughputBenchSchema>
export type ConnectionsBench = z.infer<typeof connectionsBenchSchema>
export type LatencyBench = z.infer<typeof latencyBenchSchema>
export type MemoryBench = z.infer<typeof memoryBenchSchema>
export type LoadBench = ThroughputBench | ConnectionsBench | LatencyBench | MemoryBench
export type BenchCommon = Pick<LoadBench, 'links' | 'congestionControl' | 'rounds' | 'skipped' | 'machine'>
