import type {KeyRing} from '../keys/key-file.js'
import type {BpfMap} from '../kernel/bpf-map.js'
import {netnsCookie} from '../kernel/netns-cookie.js'
import {attach, type AttachRequest, detach, pinnedMap, possibleCpus} from './attachment.js'
import type {AttachmentState} from './attachment-state.js'
import {OVERLAY_BBR, type Role} from './constants.js'
import {type CounterName, readCounters} from './counters.js'
import {encodeSettings, type Settings} from './settings.js'

/** What the settings of both roles are made from. */
export interface PlaneOptions {
  name: string
  /** `start`: a process that detaches when it ends; `attach`: a command that leaves all in the kernel. */
  owner: AttachRequest['owner']
  keys: KeyRing
  /** Interfaces of the middle leg; found when not given. */
  interfaces?: string[]
  /** Segments; 0 leaves the kernel's. */
  initialWindow?: number
  /** Seconds; for tests and scenarios. */
  clockOffsetSeconds?: number
}

/** Which map says whom the programs serve, and by which keys. */
export interface Served {
  map: 'gateways' | 'ports'
  keys: Buffer[]
}

/** Settings that differ by role. */
export type RoleSettings = Pick<Settings, 'keepalive' | 'mssIPv4' | 'mssIPv6' | 'rttGuessMs'>

/** One role's half of the handshake plane. Everything is in the kernel: the object only names it. */
export abstract class Plane<R extends Role> {
  readonly #maps = new Map<string, BpfMap>()

  protected constructor(
    readonly role: R,
    protected readonly state: AttachmentState,
    /** What could not be had, a sentence each. */
    readonly limitations: string[],
    private settings: Settings | null,
  ) {}

  /** True when a sock_ops program sees to congestion control and initial window. */
  get hasSockops(): boolean {
    return this.state.cgroup !== null
  }

  /** The congestion control that takes the place of bbr on middle legs, or null. */
  get congestionControl(): null | string {
    return this.state.congestionUser === null ? null : OVERLAY_BBR
  }

  get interfaces(): string[] {
    return this.state.interfaces.map((held) => held.name)
  }

  /** New keys, from the next packet on. Nothing where an earlier process attached: attach again to change keys. */
  setKeys(keys: KeyRing): void {
    if (!this.settings) return
    this.settings = {...this.settings, keys}
    this.map('settings').update(Buffer.alloc(4), encodeSettings(this.settings))
  }

  protected get counters(): Record<CounterName<R>, number> {
    return readCounters(this.role, this.map('counters', possibleCpus()))
  }

  /** A pinned map, opened once. @param cpus for a per-CPU map */
  protected map(name: string, cpus = 0): BpfMap {
    let map = this.#maps.get(name)
    if (!map) this.#maps.set(name, (map = pinnedMap(this.state, name, cpus)))
    return map
  }

  /** What a process that ends takes away: everything, or only what it serves when `attach` had put the rest there. */
  protected leave(served: Served): void {
    if (this.state.owner === 'start') detach(this.role, this.state.name)
    else for (const key of served.keys) this.map(served.map).delete(key)
  }
}

/** Attaches a role's programs; the maps are filled before they see a packet. */
export function attachPlane(
  role: Role,
  options: PlaneOptions,
  devices: AttachRequest['devices'],
  served: Served,
  roleSettings: RoleSettings,
): {state: AttachmentState; limitations: string[]; settings: Settings} {
  let settings!: Settings
  const attached = attach({
    role,
    name: options.name,
    owner: options.owner,
    devices,
    fill(mapNamed, congestion, shared) {
      settings = {
        ...roleSettings,
        keys: options.keys,
        netnsCookie: netnsCookie(),
        clockOffsetSeconds: options.clockOffsetSeconds ?? 0,
        initialWindow: options.initialWindow ?? 0,
        keepalive: roleSettings.keepalive || (shared && role === 'edge'),
        congestion,
      }
      mapNamed('settings').update(Buffer.alloc(4), encodeSettings(settings))
      const map = mapNamed(served.map)
      const gone = shared ? [] : map.keys().filter((key) => !served.keys.some((other) => other.equals(key)))
      for (const key of gone) map.delete(key)
      for (const key of served.keys) map.update(key, Buffer.alloc(4, 1))
    },
  })
  return {...attached, settings}
}
