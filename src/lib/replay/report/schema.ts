import {z} from 'zod'

import type {List} from '../../cli/made-list.js'
import {liveResultSchema} from '../live/schema.js'
import {modelResultShape, type ServerRow} from '../model/schema.js'

const ms = z.number()
const msOrNull = ms.nullable()
const count = z.number().int().nonnegative()

const connectionSchema = z.strictObject({
  /** From 1, in the order of first packets over all files. */
  id: count,
  /** Index into `sources`. */
  source: count,
  /** `ip:port` or `[ipv6]:port`. */
  client: z.string(),
  server: z.string(),
  /** First and last packet, since the capture's first. */
  startMs: ms,
  endMs: ms,
  /** Last SYN to the segment that completes the handshake; null when the capture has no such segment. */
  handshakeRttMs: msOrNull,
  /** The server answered the SYN with an RST. */
  refused: z.boolean(),
  /** SYN to SYN/ACK, and SYN/ACK to ACK, where the capture stood. */
  serverRttMs: msOrNull,
  clientRttMs: msOrNull,
  synRetransmissions: count,
  synAckRetransmissions: count,
  completeness: z.array(z.enum(['syn', 'syn-ack', 'ack', 'data', 'fin', 'rst'])),
  /** Last byte of the client's first turn to the server's first byte, as captured. */
  requestToFirstByteMs: msOrNull,
  /** Where the capture stood. */
  vantage: z.enum(['near-client', 'near-server', 'between', 'unknown']),
  vantageBecause: z.string(),
  bytesFromClient: count,
  bytesFromServer: count,
  turns: count,
  excluded: z.enum(['mid-stream', 'syn-not-captured']).optional(),
})

const summarySchema = z.strictObject({
  connections: count,
  /** Connections with a handshake round trip. */
  handshakes: count,
  handshakeRttMs: z.strictObject({p50: ms, p90: ms, p99: ms}).nullable(),
  packets: count,
  bytes: count,
  tcpPackets: count,
  /** UTC, ISO 8601 with ns; null without packets. */
  start: z.string().nullable(),
})

/** The JSON of `overlay replay`. */
export const replayResultSchema = z.strictObject({
  sources: z.array(
    z.strictObject({
      source: z.string(),
      format: z.string(),
      linkTypes: z.array(z.string()),
      packets: count,
      bytes: count,
      tcpPackets: count,
      /** Packets that are not looked into, by reason. */
      skipped: z.record(z.string(), count),
    }),
  ),
  connections: z.array(connectionSchema),
  summary: summarySchema,
  ...modelResultShape,
  /** Connections that are not modelled, and why. */
  leftOut: z.array(z.strictObject({reason: z.string(), connections: count})),
  /** With `--live`. */
  live: liveResultSchema.optional(),
  /** What could not be read, and where; then the exit code is 2. */
  problems: z.array(z.strictObject({source: z.string(), offset: count, problem: z.string(), ended: z.boolean()})),
  warnings: z.array(z.string()).optional(),
})

export type ReportedConnection = z.infer<typeof connectionSchema>
/** As it is made: what there may be very many of, one at a time. */
export type ReplayResult = Omit<z.infer<typeof replayResultSchema>, 'connections' | 'servers'> & {
  connections: List<ReportedConnection>
  servers: List<ServerRow>
}
