import {z} from 'zod'

/** The ways from client to origin that are compared, in the order of the table. */
export const PATH_NAMES = [
  'direct',
  'split',
  'zero-rtt',
  'haproxy',
  'haproxy-tfo',
  'nginx',
  'haproxy-zero-rtt',
] as const

/** What is measured unless asked otherwise. An interface has one handshake plane, so zero-rtt and haproxy-zero-rtt are apart. */
export const DEFAULT_PATHS: readonly PathName[] = PATH_NAMES.filter((name) => name !== 'haproxy-zero-rtt')
export type PathName = (typeof PATH_NAMES)[number]

const ms = z.number().nonnegative()
const percentilesSchema = z.strictObject({p50: ms, p90: ms, p99: ms})
const distributionSchema = percentilesSchema.extend({min: ms})

/** Times from the client's call of connect(): until it returned, until the origin had read the request, until the first byte of the response. Null without samples. */
const timesSchema = z.strictObject({
  connectMs: distributionSchema.nullable(),
  requestAtOriginMs: distributionSchema.nullable(),
  firstByteMs: distributionSchema.nullable(),
})

const contactSchema = timesSchema.extend({samples: z.number().int(), errors: z.number().int()})

const pathSchema = timesSchema.extend({
  name: z.enum(PATH_NAMES),
  /** Exchanges that failed, of all sizes. */
  errors: z.number().int(),
  /** What the failed ones said, each once. */
  errorMessages: z.array(z.string()),
  /** Why this path was not measured. */
  skipped: z.string().optional(),
  /** Of our own edge, by its own status: from calling connect() toward the gateway until the socket took the first bytes. */
  middleConnectMs: percentilesSchema.optional(),
  sizes: z.array(z.strictObject({requestBytes: z.number().int(), first: contactSchema, repeated: contactSchema})),
})

/** The JSON of `overlay bench handshake`. The times right under a path are those of the smallest request, repeated. */
export const handshakeBenchSchema = z.strictObject({
  /** Round trips of the three links as configured, without what the machine itself adds. */
  rttMs: z.strictObject({clientEdge: ms, edgeGateway: ms, gatewayOrigin: ms}),
  /** What no split connection can beat: the client's handshake with the edge, then the request and its answer once over the whole path. */
  floorMs: z.strictObject({requestAtOrigin: ms, firstByte: ms}),
  congestionControl: z.string(),
  rounds: z.number().int(),
  repeats: z.number().int(),
  responseBytes: z.number().int(),
  paths: z.array(pathSchema),
  warnings: z.array(z.string()).optional(),
})

export type HandshakeBench = z.infer<typeof handshakeBenchSchema>
export type PathResult = z.infer<typeof pathSchema>
export type ContactResult = z.infer<typeof contactSchema>
