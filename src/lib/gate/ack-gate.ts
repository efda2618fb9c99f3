import {mkdirSync, readdirSync, rmdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'

import {possibleCpus} from '../handshake/attachment.js'
import {bpfObjectPath} from '../handshake/bpf-objects.js'
import {TC_HANDLE} from '../handshake/constants.js'
import {readNamedCounters} from '../handshake/counters.js'
import type {Device} from '../handshake/network-device.js'
import {type BpfMap, openPinnedMap} from '../kernel/bpf-map.js'
import {BpfObject} from '../kernel/bpf-object.js'
import {bootTimeMs} from '../kernel/boot-time.js'
import {attachTc, createClsact, destroyClsact, detachTc, type TcPlace} from '../kernel/tc-filter.js'
import {addressBytes} from '../wire/endpoint.js'
import {
  decodeGatedFlow,
  encodePermit,
  GATE_COUNTERS,
  type GatedFlow,
  type GatedKey,
  gatedKey,
  SETTINGS_BYTES,
} from './gate-maps.js'

/** Behind the handshake plane's filters: what these make of a packet is what passes the gate. */
const GATE_PRIORITY = 20_320

/** Of the replication link's filter, which may be on an interface of virtual addresses too. */
const LINK_PRIORITY = 20_321

const FIRST = Buffer.alloc(4)
const LEASE_BYTES = 16
/** One nanosecond after boot; 0 means "without end". */
const LEASE_OVER = 1n

export interface AckGateOptions {
  devices: Device[]
  /** A directory on a bpffs, of this gate alone. */
  pins: string
  virtualAddresses: string[]
  /** Interface of the replication link, if there is one. */
  linkDevice?: Device
  /** From the first packet on nothing leaves the virtual addresses, until a lease is given. Default: everything passes. */
  fenced?: GateMode
}

/** How the gate begins. */
export interface GateMode {
  /** There is no backup: nothing is held back. */
  solo?: boolean
  /** Port of the replication link, on the side that accepts it; 0 without one. */
  linkPort?: number
  /** Connections that are accepted say nothing before their first kick. */
  muteAccepted?: boolean
}

/** The ACK gate in the kernel; see bpf/ack-gate.bpf.c for what it does to packets. */
export class AckGate {
  readonly #options: AckGateOptions
  readonly #created: number[] = []
  readonly #maps = new Map<string, BpfMap>()

  private constructor(options: AckGateOptions) {
    this.#options = options
  }

  /**
   * Attaches the gate. Unless it is fenced from the beginning, {@link AckGate.enable} makes it count.
   *
   * @throws OverlayError PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING
   */
  static attach(options: AckGateOptions): AckGate {
    const gate = new AckGate(options)
    mkdirSync(options.pins, {recursive: true, mode: 0o700})
    try {
      const object = BpfObject.load(bpfObjectPath('ack-gate'), {pinDirectory: options.pins})
      try {
        // Before the first packet: sockets that a killed predecessor has left still send, and must not be heard.
        fillAddresses(object.getMap('virtual_addresses'), options.virtualAddresses)
        if (options.fenced !== undefined) {
          object.getMap('lease').update(FIRST, encodeLease(LEASE_OVER))
          object.getMap('gate_settings').update(FIRST, encodeMode(options.fenced))
        }

        for (const {ifindex} of options.devices) {
          if (createClsact(ifindex)) gate.#created.push(ifindex)
          attachTc(place(ifindex, 'ingress'), object.programFd('gate_ingress'))
          attachTc(place(ifindex, 'egress'), object.programFd('gate_egress'))
        }

        const {linkDevice} = options
        if (linkDevice !== undefined) {
          if (createClsact(linkDevice.ifindex)) gate.#created.push(linkDevice.ifindex)
          attachTc(linkPlace(linkDevice.ifindex), object.programFd('link_egress'))
        }
      } finally {
        object.close()
      }
    } catch (error) {
      gate.detach()
      throw error
    }

    return gate
  }

  /** @param solo connections without an entry pass: there is no backup */
  enable(mode: GateMode = {}): void {
    this.#map('gate_settings').update(FIRST, encodeMode(mode))
  }

  disable(): void {
    this.#map('gate_settings').update(FIRST, Buffer.alloc(SETTINGS_BYTES))
  }

  /** Until then this host may speak for its virtual addresses. @param untilNs CLOCK_BOOTTIME; 0n: without end */
  setLease(untilNs: bigint): void {
    this.#map('lease').update(FIRST, encodeLease(untilNs))
  }

  /** True when the lease has run out, or a FIN or RST without consent has ended it. */
  get fenced(): boolean {
    const until = this.#map('lease').lookup(FIRST)!.readBigUInt64LE()
    return until !== 0n && until < BigInt(Math.floor(bootTimeMs() * 1e6))
  }

  flow(key: GatedKey): GatedFlow | null {
    const value = this.#map('gated_flows').lookup(gatedKey(key))
    return value && decodeGatedFlow(value)
  }

  /** Writes a flow's entry: for a connection that is about to be restored. */
  setFlow(key: GatedKey, value: Buffer): void {
    this.#map('gated_flows').update(gatedKey(key), value)
  }

  permit(key: GatedKey, flags: number, finSequence = 0): void {
    this.#map('permits').update(gatedKey(key), encodePermit(flags, finSequence))
  }

  /** Forgets a flow that has ended. */
  forget(key: GatedKey): void {
    this.#map('permits').delete(gatedKey(key))
    this.#map('gated_flows').delete(gatedKey(key))
  }

  counters(): Record<(typeof GATE_COUNTERS)[number], number> {
    return readNamedCounters(GATE_COUNTERS, this.#map('counters', possibleCpus()))
  }

  /** Takes the gate off its interfaces; connections go on ungated. */
  detach(): void {
    for (const {ifindex} of this.#options.devices) {
      detachTc(place(ifindex, 'egress'))
      detachTc(place(ifindex, 'ingress'))
      if (this.#created.includes(ifindex)) destroyClsact(ifindex)
    }

    const {linkDevice} = this.#options
    if (linkDevice !== undefined) {
      detachTc(linkPlace(linkDevice.ifindex))
      if (this.#created.includes(linkDevice.ifindex)) destroyClsact(linkDevice.ifindex)
    }

    for (const map of this.#maps.values()) map.close()
    this.#maps.clear()
    for (const file of readdirSync(this.#options.pins)) rmSync(join(this.#options.pins, file))
    rmdirSync(this.#options.pins)
  }

  /** @param cpus for a per-CPU map */
  #map(name: string, cpus = 0): BpfMap {
    let map = this.#maps.get(name)
    if (!map) this.#maps.set(name, (map = openPinnedMap(join(this.#options.pins, name), cpus)!))
    return map
  }
}

function fillAddresses(map: BpfMap, addresses: readonly string[]): void {
  const wanted = addresses.map((address) => addressBytes(address))
  for (const key of wanted) map.update(key, Buffer.alloc(4, 1))
  for (const key of map.keys()) if (!wanted.some((each) => each.equals(key))) map.delete(key)
}

function encodeMode({solo = false, linkPort = 0, muteAccepted = false}: GateMode): Buffer {
  const value = Buffer.alloc(SETTINGS_BYTES)
  value.writeUInt32LE(1, 0)
  value.writeUInt32LE(solo ? 1 : 0, 4)
  value.writeUInt16BE(linkPort, 8)
  value[10] = muteAccepted ? 1 : 0
  return value
}

function encodeLease(untilNs: bigint): Buffer {
  const value = Buffer.alloc(LEASE_BYTES)
  value.writeBigUInt64LE(untilNs)
  return value
}

function linkPlace(ifindex: number): TcPlace {
  return {ifindex, direction: 'egress', handle: TC_HANDLE, priority: LINK_PRIORITY}
}

function place(ifindex: number, direction: 'egress' | 'ingress'): TcPlace {
  return {ifindex, direction, handle: TC_HANDLE, priority: GATE_PRIORITY}
}
