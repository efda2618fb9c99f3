import {addressBytes, type Endpoint} from '../wire/endpoint.js'

/**
 * Keys and values of the ACK gate's maps, as bpf/ack-gate.bpf.c has them. Sequence numbers are host order, modulo 2^32;
 * addresses and ports network order.
 */

/** A connection as this host sees it; the local address is a virtual one. */
export interface GatedKey {
  local: Endpoint
  remote: Endpoint
}

export const GateState = {Opening: 1, Open: 2, Mute: 3} as const

/** What may leave a flow beside what the gate lets through. */
export const Permit = {
  /** A FIN, at the sequence number given. */
  Fin: 1,
  Rst: 2,
  /** No gate: a connection that nobody replicates. */
  Ungated: 4,
  /** Acknowledgements of bytes that a restored connection has not sent yet are cut on their way in. */
  Clamp: 8,
  /** With `Fin`: wherever it stands. */
  AnyFin: 16,
  /** FIN and RST also while the host is fenced: a leg that no backup can know. */
  Fenced: 32,
} as const

/** struct gated_flow. */
export interface GatedFlow {
  /** The highest acknowledgement that may leave. */
  gate: number
  /** The peer's first byte, and ours. */
  irs: number
  iss: number
  /** The end of what has left. */
  maxSent: number
  /** The last acknowledgement that left, and the one that the kernel wanted. */
  lastAck: number
  wantAck: number
  /** What the peer has acknowledged. */
  peerAck: number
  windowScale: number
  state: number
  /** A FIN or RST without consent was held back. */
  dead: boolean
  timestamps: boolean
  peerReset: boolean
}

/** struct gate_settings. */
export const SETTINGS_BYTES = 12
export const FLOW_BYTES = 52
export const PERMIT_BYTES = 8

export function gatedKey({local, remote}: GatedKey): Buffer {
  const key = Buffer.alloc(36)
  addressBytes(local.address).copy(key, 0)
  addressBytes(remote.address).copy(key, 16)
  key.writeUInt16BE(local.port, 32)
  key.writeUInt16BE(remote.port, 34)
  return key
}

export function decodeGatedFlow(value: Buffer): GatedFlow {
  const u32 = (index: number) => value.readUInt32LE(index * 4)
  return {
    gate: u32(0),
    irs: u32(1),
    iss: u32(2),
    maxSent: u32(3),
    lastAck: u32(4),
    wantAck: u32(6),
    peerAck: u32(8),
    windowScale: value[44],
    state: value[45],
    dead: value[46] !== 0,
    timestamps: value[47] !== 0,
    peerReset: value[48] !== 0,
  }
}

/** The entry of a connection that is about to be restored: everything up to these numbers is settled. */
export function restoredFlow(flow: {received: number; sent: number; windowScale: number; timestamps: boolean}): Buffer {
  const value = Buffer.alloc(FLOW_BYTES)
  for (const index of [0, 1, 4, 5, 6, 7]) value.writeUInt32LE(flow.received >>> 0, index * 4)
  for (const index of [2, 3, 8]) value.writeUInt32LE(flow.sent >>> 0, index * 4)
  value[44] = flow.windowScale
  value[45] = GateState.Open
  value[47] = flow.timestamps ? 1 : 0
  return value
}

/** @param finSequence where a permitted FIN stands, unless `AnyFin` */
export function encodePermit(flags: number, finSequence = 0): Buffer {
  const value = Buffer.alloc(PERMIT_BYTES)
  value.writeUInt32LE(flags, 0)
  value.writeUInt32LE(finSequence >>> 0, 4)
  return value
}

/** Names of the counters in the order of enum gate_counter. */
export const GATE_COUNTERS = [
  'ackHeld',
  'ackDropped',
  'kicked',
  'kickDropped',
  'muted',
  'notConsented',
  'fencedDropped',
  'unknownDropped',
  'linkClosed',
  'peerAckCut',
] as const
