import {z} from 'zod'

import {TCP_STATES} from '../kernel/tcp-info.js'
import {FLOW_SORTS} from './flow-order.js'

/** Connections that one answer may hold. */
export const FLOW_LIMIT = 10_000

const count = z.number().int().nonnegative()
const ms = z.number().nonnegative()

/** One TCP connection of a flow, at this server's end. */
export const flowLegSchema = z.strictObject({
  leg: z.enum(['client-edge', 'edge-gateway', 'gateway-origin']),
  /** ADDRESS:PORT; null while there is no socket. */
  local: z.string().nullable(),
  remote: z.string().nullable(),
  /** Of the kernel; null without a socket, as all below. */
  tcp: z.enum(TCP_STATES).nullable(),
  /** Smoothed round trip as the kernel has it (tcpi_rtt), ms; null before the first sample. */
  rttMs: ms.nullable(),
  /** Its mean deviation (tcpi_rttvar). */
  rttVariationMs: ms.nullable(),
  /** Segments. */
  congestionWindow: count.nullable(),
  /** Segments sent again since this socket was made; 0 without a socket. */
  retransmissions: count,
  /** Given to the kernel and not acknowledged by the peer, sent or not; a FIN counts one. 0 without a socket. */
  unacknowledgedBytes: count,
})

export const FLOW_STATES = [
  'preamble',
  'dialling',
  'connecting',
  'holding',
  'answering',
  'relaying',
  'lingering',
  'parting',
] as const

/** Of an owner's connection in a pair. */
export const flowReplicationSchema = z.strictObject({
  /** The flow's number on both servers of the pair. */
  flow: count,
  /** The backup is told of its bytes as they are read. */
  replicated: z.boolean(),
  /** Bytes read and not acknowledged by the backup; an end counts one. */
  lagBytes: count,
  /**
   * The oldest of them was read so long ago at most, ms: since the newest heartbeat that the backup has answered. 0 when it
   * has everything, null when that is not known.
   */
  lagAtMostMs: ms.nullable(),
})

/** A connection as the server asked knows it: two of its three legs. */
export const flowSchema = z.strictObject({
  /** The edge process's instance and its count of connections, as in the preamble's UNIQUE_ID; null when not known. */
  id: z.string().nullable(),
  /** The relay process that has it. */
  process: count,
  state: z.enum(FLOW_STATES),
  /** Of an edge; null at a gateway. */
  service: z.string().nullable(),
  /** ADDRESS:PORT; at a gateway null, which does not keep what the preamble says. */
  client: z.string().nullable(),
  /** ADDRESS:PORT; null at a gateway that has not dialled it yet. */
  origin: z.string().nullable(),
  /** How the edge opened the middle leg; null at a gateway, and after a takeover. */
  handshake: z.enum(['zero-rtt', 'ordinary']).nullable(),
  /** Of the client's and of the origin's stream, read by this server or those before it; no preamble, no reply. */
  bytes: z.strictObject({fromClient: count, toClient: count}),
  /** Of these, held by the relay: the kernel has not taken them for the next leg. */
  waiting: z.strictObject({toOrigin: count, toClient: count}),
  /** Whose FIN has been read. */
  ended: z.strictObject({client: z.boolean(), origin: z.boolean()}),
  /** Since a byte moved, either way. */
  idleMs: ms,
  /** Since the far leg was dialled last, or was taken over; null before. */
  ageMs: ms.nullable(),
  legs: z.tuple([flowLegSchema, flowLegSchema]),
  /** Null without a pair, and before the pair knows it. */
  replication: flowReplicationSchema.nullable(),
})

/** The JSON of `overlay edge flows` and `overlay gateway flows`. */
export const flowsSchema = z.strictObject({
  role: z.enum(['edge', 'gateway']),
  name: z.string(),
  /** When the answer was complete, ISO 8601. */
  time: z.string(),
  sort: z.enum(FLOW_SORTS),
  /** Connections open when they were looked at; those without a preamble and those refused count too. */
  open: count,
  /** Of these, those that the filters let through. */
  matched: count,
  /** Of these, those left out because of the limit. */
  omitted: count,
  /** The longest that a relay process was kept from its connections at a stretch by this question, ms. */
  pauseMs: ms,
  /** Relay processes that did not answer: theirs are missing. */
  silent: z.array(count),
  /** Of a member of a pair; a backup has no connections, and holds those of the owner. */
  pair: z.strictObject({role: z.enum(['owner', 'backup', 'waiting']), link: z.string(), flows: count}).nullable(),
  flows: z.array(flowSchema),
  warnings: z.array(z.string()).optional(),
})

/** Only these connections, by what was written; all of it must fit. */
export const flowFilterSchema = z.strictObject({
  service: z.string().optional(),
  client: z.string().optional(),
  edge: z.string().optional(),
  gateway: z.string().optional(),
  origin: z.string().optional(),
  flow: z.string().optional(),
})

export const flowQuerySchema = z.strictObject({
  sort: z.enum(FLOW_SORTS),
  limit: z.number().int().min(1).max(FLOW_LIMIT),
  filter: flowFilterSchema,
})

export type Flow = z.infer<typeof flowSchema>
export type FlowLeg = z.infer<typeof flowLegSchema>
export type FlowState = (typeof FLOW_STATES)[number]
export type FlowReplication = z.infer<typeof flowReplicationSchema>
export type FlowsResult = z.infer<typeof flowsSchema>
export type FlowFilterTexts = z.infer<typeof flowFilterSchema>
export type FlowQuery = z.infer<typeof flowQuerySchema>

/** What a relay process hands over at a time. */
export interface FlowsPart {
  /** Sorted, with the numbers that they were sorted by when they were looked at. */
  flows: Flow[]
  keys: number[]
  /** More may be asked for. */
  more: boolean
  /** As in {@link flowsSchema}, of this process. */
  open: number
  matched: number
  pauseMs: number
  pair: FlowsResult['pair']
  /** Chosen, and ended before they could be described. */
  gone: number
}
