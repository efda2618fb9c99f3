import type {Flow, FlowLeg, FlowsPart, FlowsResult} from '../../../src/lib/relay/flow-schema.js'

const LEG: FlowLeg = {
  leg: 'client-edge',
  local: '192.0.2.1:443',
  remote: '198.51.100.7:40000',
  tcp: 'established',
  rttMs: 10,
  rttVariationMs: 1,
  congestionWindow: 10,
  retransmissions: 0,
  unacknowledgedBytes: 0,
}

/** A flow of an edge; what a test is about is given. */
export function exampleFlow({legs, ...given}: Omit<Partial<Flow>, 'legs'> & {legs?: Partial<FlowLeg>[]} = {}): Flow {
  return {
    id: '9f86d081884c7d65-1',
    process: 100,
    state: 'relaying',
    service: 'web',
    client: '198.51.100.7:40000',
    origin: '10.9.0.5:443',
    handshake: 'zero-rtt',
    bytes: {fromClient: 0, toClient: 0},
    waiting: {toOrigin: 0, toClient: 0},
    ended: {client: false, origin: false},
    idleMs: 0,
    ageMs: 0,
    legs: [
      {...LEG, ...legs?.[0]},
      {...LEG, leg: 'edge-gateway', local: '192.0.2.1:50000', remote: '203.0.113.9:7000', ...legs?.[1]},
    ],
    replication: null,
    ...given,
  }
}

export function exampleFlows(flows: Flow[], given: Partial<FlowsResult> = {}): FlowsResult {
  return {
    role: 'edge',
    name: 'default',
    time: '2026-01-02T03:04:05.000Z',
    sort: 'bytes',
    open: flows.length,
    matched: flows.length,
    omitted: 0,
    pauseMs: 0.1,
    silent: [],
    pair: null,
    flows,
    ...given,
  }
}

export function examplePart(keys: number[], given: Partial<FlowsPart> = {}): FlowsPart {
  return {
    keys,
    flows: keys.map((key) => exampleFlow({id: `9f86d081884c7d65-${key}`, bytes: {fromClient: key, toClient: 0}})),
    more: false,
    open: keys.length,
    matched: keys.length,
    pauseMs: 0,
    pair: null,
    gone: 0,
    ...given,
  }
}
