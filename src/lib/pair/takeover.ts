import type {PairDatapath} from '../gate/pair-datapath.js'
import {restoreLeg} from '../kernel/leg-restore.js'
import {closeSilently, leaveRepair} from '../kernel/tcp-repair.js'
import {loopInFin, type FinPlace, type RawPacketSender} from '../kernel/raw-packet.js'
import type {RateLimitedLog} from '../relay/rate-limited-log.js'
import {resumption, type AdoptedFlow, type AdoptedStream} from '../relay/replicator.js'
import type {TakeoverFlow} from '../replication/backup.js'
import type {FlowJournal, StreamJournal} from '../replication/journal.js'
import type {LegRecord} from '../wire/leg-record.js'
import {gatedKeyOf} from './pair-flow.js'

/** A leg as it goes on: both numbers are those of the next byte. */
export interface RestoredLeg {
  readonly fd: number
  readonly record: LegRecord
  readonly sendSequence: number
  readonly receiveSequence: number
  readonly finReceived: boolean
}

/** A flow whose sockets are there, and silent. */
export interface RestoredFlow {
  readonly id: number
  readonly adopted: AdoptedFlow
  readonly legs: readonly RestoredLeg[]
}

/** The window that a FIN of ours names, unscaled: what it was is not known, and the peer's next segment tells. */
const FIN_WINDOW = 512

/** Pending bytes fit the socket's buffer twice, which is how the kernel counts. */
const SEND_BUFFER_MARGIN = 262_144

/**
 * Makes the sockets of a takeover's flows, in repair. The addresses are on this server's interfaces, and nobody was told.
 * A flow whose legs cannot be made is left out.
 */
export function restoreFlows(
  plan: readonly TakeoverFlow[],
  datapath: PairDatapath,
  now: number,
  log: RateLimitedLog,
): RestoredFlow[] {
  const restored: RestoredFlow[] = []
  for (const {journal} of plan) {
    const legs: RestoredLeg[] = []
    try {
      const streams = [adoptedStream(journal.streams[0]), adoptedStream(journal.streams[1])] as const
      legs.push(restoreNear(journal, streams, now))
      if (journal.far !== null) legs.push(restoreFar(journal, streams, now))
      for (const leg of legs) {
        datapath.restoreFlow(gatedKeyOf(leg.record.local, leg.record.remote), leg.record, leg)
      }

      restored.push({
        id: journal.id,
        legs,
        adopted: {near: journal.near, far: journal.far, nearFd: legs[0].fd, farFd: legs[1]?.fd ?? -1, streams},
      })
    } catch (error) {
      for (const {fd} of legs) closeSilently(fd)
      log.error('restore', () => `a connection cannot be carried on: ${(error as Error).message}`)
    }
  }

  return restored
}

/** The sockets begin to speak. */
export function wake(flows: readonly RestoredFlow[]): void {
  for (const {legs} of flows) for (const {fd} of legs) leaveRepair(fd)
}

/** FINs that the dead server had acknowledged: their peers will never send them again. */
export class OwedFins {
  #owed: {fd: number; place: FinPlace; stillOpen: () => boolean}[] = []

  constructor(private readonly raw: RawPacketSender) {}

  /** @param isOpen whether the leg's descriptor is still the one that was restored */
  add(leg: RestoredLeg, isOpen: () => boolean): void {
    if (!leg.finReceived) return
    const {local, remote} = gatedKeyOf(leg.record.local, leg.record.remote)
    const place: FinPlace = {
      local,
      remote,
      receiveNext: leg.receiveSequence,
      sendNext: leg.sendSequence,
      sendScale: 0,
      window: {sendWindow: FIN_WINDOW},
    }
    this.#owed.push({fd: leg.fd, place, stillOpen: isOpen})
  }

  /** Feeds those that their sockets have not taken yet. */
  feed(): void {
    this.#owed = this.#owed.filter(({fd, place, stillOpen}) => stillOpen() && !loopInFin(this.raw, fd, place))
  }

  clear(): void {
    this.#owed = []
  }
}

function restoreNear({near, nearAt, far}: FlowJournal, streams: AdoptedFlow['streams'], now: number): RestoredLeg {
  // Without a far leg nothing was ever sent to the near peer.
  const from = far === null ? 0 : resumption(streams[1], far, 1).from + far.heads[1].length - far.skips[1]
  return restore(near, nearAt, from, streams[0], streams[1], now)
}

function restoreFar({far, farAt}: FlowJournal, streams: AdoptedFlow['streams'], now: number): RestoredLeg {
  const from = resumption(streams[0], far!, 0).from + far!.heads[0].length - far!.skips[0]
  return restore(far!.record, farAt, from, streams[1], streams[0], now)
}

/** @param sent bytes that the leg's peer has acknowledged, heads included */
function restore(
  record: LegRecord,
  recordedAt: number,
  sent: number,
  received: AdoptedStream,
  pending: AdoptedStream,
  now: number,
): RestoredLeg {
  const sendSequence = (record.iss + 1 + sent) >>> 0
  const receiveSequence = (record.irs + 1 + received.end) >>> 0
  const bytes = pending.end - pending.base
  const fd = restoreLeg(record, {
    sendSequence,
    receiveSequence,
    ageMs: record.ageMs + Math.max(0, now - recordedAt),
    sendBufferBytes: bytes > SEND_BUFFER_MARGIN / 2 ? bytes * 2 + SEND_BUFFER_MARGIN : undefined,
  })
  return {fd, record, sendSequence, receiveSequence, finReceived: received.ended}
}

function adoptedStream(stream: StreamJournal): AdoptedStream {
  return {base: stream.base, end: stream.end, ended: stream.ended, pending: stream.pending()}
}
