import {join} from 'node:path'

import type {LegState} from '../kernel/leg-state.js'
import {type BpfMap, openPinnedMap} from '../kernel/bpf-map.js'
import {OverlayError} from '../errors/index.js'
import {LEG_TIMESTAMPS, type LegRecord} from '../wire/leg-record.js'
import {
  decodeGatedFlow,
  encodePermit,
  FLOW_BYTES,
  GateState,
  gatedKey,
  Permit,
  restoredFlow,
  SETTINGS_BYTES,
  type GatedFlow,
  type GatedKey,
} from './gate-maps.js'
import {encodeSetupRole, SETUP_CLOCK_AT, SETUP_ROLE_BYTES} from './setup-maps.js'
import {SynAckResender} from './syn-ack-resender.js'

const FIRST = Buffer.alloc(4)
const LEASE_BYTES = 16
/** struct flow_key. */
const KEY_BYTES = 36
const PRESENT = Buffer.alloc(4, 1)

/** A lease that is over, and not "none needed". */
const OVER = 1n

/** What the datapath does for the server that it is part of. */
export interface PairRole {
  /** There is no backup: nothing is held back. */
  solo: boolean
  /** With a set-up plane: this server takes connections in; false unless given. */
  owner?: boolean
  /** With a set-up plane: the backup answers clients' SYNs; false unless given. */
  via?: boolean
  /**
   * What belongs to no connection is answered by the kernel's RST; false unless given. Right after a takeover it may belong
   * to one whose beginning is still to be seen.
   */
  strays?: boolean
}

/** The pair's maps as the relay process uses them; the control process has attached the programs (PairPlane). */
export class PairDatapath {
  readonly #settings: BpfMap
  readonly #lease: BpfMap
  readonly #flows: BpfMap
  readonly #permits: BpfMap
  readonly #linkSockets: BpfMap
  /** Null without a set-up plane. */
  readonly #setupRole: BpfMap | null
  readonly #setupSettings: BpfMap | null
  readonly #resender: SynAckResender | null
  readonly #roleValue = Buffer.alloc(SETUP_ROLE_BYTES)
  readonly #leaseValue = Buffer.alloc(LEASE_BYTES)
  readonly #settingsValue = Buffer.alloc(SETTINGS_BYTES)
  readonly #synKey = Buffer.alloc(KEY_BYTES)

  private constructor(pins: string) {
    const open = (name: string): BpfMap => {
      const map = openPinnedMap(join(pins, name))
      if (map === null) throw new OverlayError('NOT_FOUND', `the map ${name} is not pinned`)
      return map
    }

    this.#settings = open('gate_settings')
    this.#lease = open('lease')
    this.#flows = open('gated_flows')
    this.#permits = open('permits')
    this.#linkSockets = open('link_sockets')
    this.#setupRole = openPinnedMap(join(pins, 'setup_role'))
    this.#setupSettings = openPinnedMap(join(pins, 'setup_settings'))
    this.#resender = this.#setupRole && SynAckResender.open(pins)
    this.#settings.lookup(FIRST)!.copy(this.#settingsValue)
    this.#lease.lookup(FIRST)!.copy(this.#leaseValue)
  }

  /**
   * @param pins the directory on a bpffs that PairPlane was given
   * @throws OverlayError NOT_FOUND when nothing is attached
   */
  static open(pins: string): PairDatapath {
    return new PairDatapath(pins)
  }

  /**
   * Until then this server may speak for its virtual addresses.
   *
   * @param until ms of CLOCK_BOOTTIME; infinity: without end; its negative: not at all
   * @param epoch that it owns them in
   */
  setLease(until: number, epoch: number): void {
    let value = OVER
    if (until === Number.POSITIVE_INFINITY) value = 0n
    else if (until > 0) value = BigInt(Math.floor(until * 1e6))
    this.#leaseValue.writeBigUInt64LE(value, 0)
    this.#leaseValue.writeUInt32LE(epoch, 8)
    this.#lease.update(FIRST, this.#leaseValue)
  }

  /** The program has ended the lease: at a FIN or RST that nobody had consented to. */
  get fenced(): boolean {
    return this.#lease.lookup(FIRST)!.readBigUInt64LE(0) === OVER
  }

  /** The end of this socket is the end of this process: from then on nothing leaves the virtual addresses. */
  watchLinkSocket(cookie: Buffer): void {
    this.#linkSockets.update(cookie, PRESENT)
  }

  /** This process closes it itself. */
  forgetLinkSocket(cookie: Buffer): void {
    this.#linkSockets.delete(cookie)
  }

  /** An epoch was granted, to this server or another: leases of older ones end. */
  noteNewerEpoch(epoch: number): void {
    // As it stands: the program may have ended the lease.
    this.#lease.lookup(FIRST)!.copy(this.#leaseValue)
    this.#leaseValue.writeUInt32LE(Math.max(epoch, this.#leaseValue.readUInt32LE(12)), 12)
    this.#lease.update(FIRST, this.#leaseValue)
  }

  /** What the gate and the set-up plane do from now on. The lease is a matter of its own. */
  setRole({solo, owner = false, via = false, strays = false}: PairRole): void {
    this.#settingsValue.writeUInt32LE(1, 0)
    this.#settingsValue.writeUInt32LE(solo ? 1 : 0, 4)
    this.#settingsValue[11] = strays ? 1 : 0
    this.#settings.update(FIRST, this.#settingsValue)
    this.#setupRole?.update(FIRST, encodeSetupRole(owner, via, this.#roleValue))
  }

  /**
   * Says again the SYN/ACKs of the last 3 s of which no connection has come, right after a takeover.
   *
   * @param nowMs CLOCK_BOOTTIME
   * @returns how many; 0 without a set-up plane
   */
  resendSynAcks(nowMs: number): number {
    return this.#resender?.resend(nowMs, (key) => this.#flows.lookup(key) !== null) ?? 0
  }

  /**
   * The owner has made a connection of a SYN that was answered here.
   *
   * @param record its near leg (src/lib/wire/leg-record.ts)
   */
  forgetSyn(record: Buffer): void {
    if (this.#resender === null) return
    const [local, remote] = [8, 26]
    record.copy(this.#synKey, 0, local, local + 16)
    record.copy(this.#synKey, 16, remote, remote + 16)
    record.copy(this.#synKey, 32, local + 16, local + 18)
    record.copy(this.#synKey, 34, remote + 16, remote + 18)
    this.#resender.forget(this.#synKey)
  }

  /** Seconds added to CLOCK_BOOTTIME for keyed SYN/ACKs, modulo 2^32; 0 without a set-up plane. */
  get clockOffset(): number {
    return this.#setupSettings?.lookup(FIRST)!.readUInt32LE(SETUP_CLOCK_AT) ?? 0
  }

  set clockOffset(seconds: number) {
    const value = this.#setupSettings?.lookup(FIRST)
    if (!value) return
    value.writeUInt32LE(seconds >>> 0, SETUP_CLOCK_AT)
    this.#setupSettings!.update(FIRST, value)
  }

  flow(key: GatedKey): GatedFlow | null {
    const value = this.#flows.lookup(gatedKey(key))
    return value && decodeGatedFlow(value)
  }

  /**
   * Makes the entry of a connection that was just accepted or dialled; without one nothing of it leaves. An entry that the
   * program has made of its SYN or SYN/ACK stays. One that was accepted is mute until its first kick: its peer must not
   * see a timestamp that does not say how the connection began, before the backup has its record.
   */
  openFlow(key: GatedKey, {record, receiveNext, rightEdge}: LegState): void {
    const bytes = gatedKey(key)
    const irs = (record.irs + 1) >>> 0
    const iss = (record.iss + 1) >>> 0
    this.#permits.delete(bytes)
    const known = this.#flows.lookup(bytes)
    if (known !== null) {
      const flow = decodeGatedFlow(known)
      if (flow.irs === irs && flow.iss === iss && flow.state !== GateState.Opening) return
    }

    const value = Buffer.alloc(FLOW_BYTES)
    // gate, irs, last_ack, last_edge; iss, max_sent, peer_ack
    for (const index of [0, 1, 4, 5]) value.writeUInt32LE(irs, index * 4)
    for (const index of [2, 3, 8]) value.writeUInt32LE(iss, index * 4)
    value.writeUInt32LE(receiveNext, 6 * 4)
    value.writeUInt32LE(rightEdge, 7 * 4)
    value.writeUInt32LE(record.timestamp, 9 * 4)
    value[44] = record.receiveScale
    value[45] = GateState.Mute
    value[47] = record.options & LEG_TIMESTAMPS
    this.#flows.update(bytes, value)
  }

  /** The entries of a leg that another server has had, before its socket speaks. */
  restoreFlow(key: GatedKey, record: LegRecord, position: {sendSequence: number; receiveSequence: number}): void {
    const bytes = gatedKey(key)
    this.#permits.update(bytes, encodePermit(Permit.Clamp))
    const value = restoredFlow({
      received: position.receiveSequence,
      sent: position.sendSequence,
      windowScale: record.receiveScale,
      timestamps: (record.options & LEG_TIMESTAMPS) !== 0,
    })
    value.writeUInt32LE(record.timestamp, 9 * 4)
    this.#flows.update(bytes, value)
  }

  /** What may leave beside what the gate lets through; what a restored flow has beside it stays. */
  permit(key: GatedKey, flags: number, finSequence = 0): void {
    const bytes = gatedKey(key)
    const clamp = (this.#permits.lookup(bytes)?.readUInt32LE(0) ?? 0) & Permit.Clamp
    this.#permits.update(bytes, encodePermit(flags | clamp, finSequence))
  }

  forget(key: GatedKey): void {
    const bytes = gatedKey(key)
    this.#permits.delete(bytes)
    this.#flows.delete(bytes)
  }

  /** Forgets every connection, and the links of a process before this one. */
  clear(): void {
    for (const cookie of this.#linkSockets.keys()) this.#linkSockets.delete(cookie)
    this.clearFlows()
  }

  /** Forgets every connection. */
  clearFlows(): void {
    this.#resender?.forgetAll()
    for (const map of [this.#permits, this.#flows]) for (const key of map.keys()) map.delete(key)
  }
}
