import {round} from '../bench/percentiles.js'
import {TcpFlag} from '../wire/tcp-segment.js'
import {changesBetween, fieldsOf, fieldsOfQuote, type Change} from './changes.js'
import type {Flow, FlowEvent} from './flow.js'
import {betweenMs} from './flow.js'
import type {Stage} from './handshake-stage.js'
import type {Hop} from './schema.js'
import {outcomeOf, random32, randomWindow, linuxOptions, tsClock} from './syn.js'

/** Routers on a path, at most, and SYNs towards each that stays silent. */
const MOST_HOPS = 30
const TRIES = 3
/** Hops that are asked at once: beyond the target each SYN reaches the target itself. */
const AT_ONCE = 4

/** What a router quoted, with what had changed by then. */
interface Seen {
  hop: Hop
  changes: Change[]
}

/**
 * Sends SYNs whose hop limit ends at each router in turn. A router quotes the packet as it came, so what was changed
 * before it shows: of 8 bytes of TCP only ports and sequence number, of more everything (RFC 1812 section 4.3.2.3).
 */
export async function pathStage(stage: Stage): Promise<Seen[]> {
  const hops: Seen[] = []
  for (let first = 1; first <= MOST_HOPS && !stage.abandon.aborted; first += AT_ONCE) {
    const ttls = Array.from({length: AT_ONCE}, (_, index) => first + index).filter((ttl) => ttl <= MOST_HOPS)
    const asked: Promise<Seen>[] = []
    for (const ttl of ttls) asked.push(askHop(stage, ttl))
    const answers = await Promise.all(asked)
    const end = answers.findIndex(({hop}) => hop.target)
    hops.push(...(end === -1 ? answers : answers.slice(0, end + 1)))
    if (end !== -1) break
  }

  return hops
}

async function askHop(stage: Stage, ttl: number): Promise<Seen> {
  const silent: Hop = {ttl, address: null, rttMs: null, target: false, changes: []}
  for (let attempt = 0; attempt < TRIES && (await stage.pacer.turn()); attempt++) {
    const flow = await stage.port.flow()
    const isn = random32()
    await flow.send({
      sequence: isn,
      // As zero-RTT has it; the second try is ordinary, in case something drops such SYNs.
      acknowledgment: attempt === 1 ? 0 : random32() || 1,
      flags: TcpFlag.SYN,
      window: randomWindow(),
      options: linuxOptions(stage.mss, tsClock()),
      hopLimit: ttl,
    })
    const answer = await flow.until((events) => readHop(events, flow, isn, ttl), stage.timeoutMs, stage.abandon)
    await flow.finish(isn + 1)
    if (answer) return answer
  }

  return {hop: silent, changes: []}
}

function readHop(events: readonly FlowEvent[], flow: Flow, isn: number, ttl: number): Seen | null {
  const sent = events.find((event) => event.kind === 'sent')
  if (sent?.kind !== 'sent') return null
  for (const event of events) {
    if (event.kind !== 'icmp' || event.error.problem !== 'hop-limit' || event.timeNs === null) continue
    const changes = changesBetween(fieldsOf(sent), fieldsOfQuote(event.error.quoted))
    const rttMs = round(betweenMs(sent.timeNs, event.timeNs))
    const names = [...new Set(changes.map(({name}) => name))]
    return {hop: {ttl, address: event.from, rttMs, target: false, changes: names}, changes}
  }

  const outcome = outcomeOf(events, isn)
  if (!outcome || outcome.rttMs === null) return null
  const {address} = flow.remote
  return {hop: {ttl, address, rttMs: round(outcome.rttMs), target: true, changes: []}, changes: []}
}
