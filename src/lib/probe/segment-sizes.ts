import type {Condition} from './conditions.js'
import {explain} from './conditions.js'
import type {Flow} from './flow.js'
import type {Stage} from './handshake-stage.js'
import type {ProbeKeys} from './probe-keys.js'
import type {SegmentSizes} from './schema.js'
import {zeroRttExchange} from './zero-rtt.js'

/** Openings of one size, at most: at 10 % loss each way all of them fail by chance 7 times in 1000. */
const TRIES = 3
/** NOP, NOP and timestamps, which every early segment carries. */
const OPTION_BYTES = 12
/** IP and TCP headers without options. */
const HEADER_BYTES = {ipv4: 40, ipv6: 60}
/** A packet that every path carries: IPv4 hosts take 576 bytes (RFC 791), IPv6 links 1280 (RFC 8200 section 5). */
const LEAST_PACKET = {ipv4: 576, ipv6: 1280}

/** What came of packets of one size. */
export interface SizeAnswer {
  passed: boolean
  /** An ICMP error that names a size, and who sent it. */
  refusedBy: {from: string; mtu: number} | null
}

/**
 * The largest packet that passes, in bytes: the whole size first; where it fails the size that an ICMP error names; then
 * halves, to the byte. Pure but for `ask`.
 *
 * @param least is taken for granted when nothing larger passes and it passes itself
 */
export async function largestPacket(
  least: number,
  most: number,
  ask: (packetBytes: number) => Promise<SizeAnswer>,
): Promise<SegmentSizes> {
  const whole = await ask(most)
  const found = {triedBytes: most, refusedBy: whole.refusedBy}
  if (whole.passed) return {...found, acceptedBytes: most}
  let low = least - 1
  let high = most
  const named = whole.refusedBy?.mtu ?? 0
  if (named >= least && named < most) {
    if ((await ask(named)).passed) return {...found, acceptedBytes: named}
    high = named
  }

  while (high - low > 1) {
    const middle = low === least - 1 ? least : Math.floor((low + high) / 2)
    const {passed, refusedBy} = await ask(middle)
    found.refusedBy ??= refusedBy
    if (passed) low = middle
    else if (middle === least) return {...found, acceptedBytes: null}
    else high = middle
  }

  return {...found, acceptedBytes: low}
}

/** Which sizes of packets with early data are acknowledged, up to the one that fills this host's interface. */
export function segmentSizes(stage: Stage, keys: ProbeKeys, ipv6: boolean): Promise<SegmentSizes> {
  const family = ipv6 ? 'ipv6' : 'ipv4'
  const most = stage.mss + HEADER_BYTES[family]
  const ask = async (packetBytes: number): Promise<SizeAnswer> => {
    const dataBytes = packetBytes - HEADER_BYTES[family] - OPTION_BYTES
    let answer: SizeAnswer = {passed: false, refusedBy: null}
    for (let number = 1; number <= TRIES && !answer.passed && (await stage.pacer.turn()); number++) {
      const {passed, refusedBy} = await tryOnce(await stage.port.flow(), stage, keys, dataBytes)
      answer = {passed, refusedBy: refusedBy ?? answer.refusedBy}
      const said = passed ? 'accepted' : refusedBy ? 'too-big' : 'silent'
      stage.onSample({kind: `packet-of-${packetBytes}`, number, answer: said, rttMs: null})
      // Who says that it is too large is believed at once.
      if (refusedBy) break
    }

    return answer
  }

  return largestPacket(Math.min(LEAST_PACKET[family], most), most, ask)
}

async function tryOnce(flow: Flow, stage: Stage, keys: ProbeKeys, dataBytes: number): Promise<SizeAnswer> {
  const {acceptedMs} = await zeroRttExchange(flow, keys, {...stage, dataBytes})
  for (const event of flow.events) {
    if (event.kind === 'icmp' && event.error.problem === 'too-big' && event.error.mtu !== null) {
      return {passed: acceptedMs !== null, refusedBy: {from: event.from, mtu: event.error.mtu}}
    }
  }

  return {passed: acceptedMs !== null, refusedBy: null}
}

/** What sizes that do not pass are called. Pure. */
export function sizeConditions({triedBytes, acceptedBytes, refusedBy}: SegmentSizes): Condition[] {
  if (acceptedBytes === triedBytes) return []
  const name = refusedBy === null ? 'large-packets-dropped' : 'mtu-reduced'
  const what = explain(name)
  return [{name, what, sent: triedBytes, arrived: acceptedBytes, direction: 'outbound', evidence: 'variant', hop: null}]
}
