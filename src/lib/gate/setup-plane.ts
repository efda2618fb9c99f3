import {join} from 'node:path'

import {possibleCpus} from '../handshake/attachment.js'
import {bpfObjectPath} from '../handshake/bpf-objects.js'
import {TC_HANDLE} from '../handshake/constants.js'
import {readNamedCounters} from '../handshake/counters.js'
import type {Device} from '../handshake/network-device.js'
import {type BpfMap, openPinnedMap} from '../kernel/bpf-map.js'
import {BpfObject} from '../kernel/bpf-object.js'
import {attachTc, detachTc, type TcPlace} from '../kernel/tc-filter.js'
import {addressBytes, type Endpoint} from '../wire/endpoint.js'
import {GATE_COUNTERS} from './gate-maps.js'
import {
  encodeSetupRole,
  encodeSetupSettings,
  listeningKey,
  SETUP_CLOCK_AT,
  SETUP_COUNTERS,
  SETUP_SETTINGS_BYTES,
  type SetupSettings,
} from './setup-maps.js'

/** Behind the handshake plane's filters, which take what they can, and before the gate. */
const SETUP_PRIORITY = 20_315

/** Where enum setup_counter begins. */
const FIRST_COUNTER = 16

const FIRST = Buffer.alloc(4)

export interface SetupPlaneOptions {
  /** Those of the gate. */
  devices: Device[]
  /** Those of the gate, which is attached already. */
  pins: string
  /** Each virtual address with the other server's own address in its network. */
  virtualAddresses: {address: string; peer: string}[]
  /** What clients connect to. */
  listeners: Endpoint[]
  settings: SetupSettings
}

/** How connections to a pair's addresses begin; see bpf/pair-setup.bpf.c. Held by the control process. */
export class SetupPlane {
  readonly #options: SetupPlaneOptions
  readonly #maps = new Map<string, BpfMap>()

  private constructor(options: SetupPlaneOptions) {
    this.#options = options
  }

  /**
   * Attaches the plane as a backup's: it answers SYNs that the owner hands over and takes nothing else in, until the
   * relay process says otherwise (`PairDatapath.setRole()`). To be called after `AckGate.attach()` with the same `pins`; programs of a run before are
   * replaced.
   *
   * @throws OverlayError PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING
   */
  static attach(options: SetupPlaneOptions): SetupPlane {
    const plane = new SetupPlane(options)
    const object = BpfObject.load(bpfObjectPath('pair-setup'), {pinDirectory: options.pins})
    try {
      object.getMap('setup_role').update(FIRST, encodeSetupRole(false, false))
      refill(
        object.getMap('setup_peers'),
        options.virtualAddresses.map(({address, peer}) => [addressBytes(address), addressBytes(peer)]),
      )
      refill(
        object.getMap('setup_listeners'),
        options.listeners.map((listener) => [listeningKey(listener), Buffer.alloc(4, 1)]),
      )
      object.getMap('setup_settings').update(FIRST, encodeSetupSettings(options.settings))
      for (const {ifindex} of options.devices) attachTc(place(ifindex), object.programFd('setup_ingress'))
    } catch (error) {
      plane.detach()
      throw error
    } finally {
      object.close()
    }

    return plane
  }

  /**
   * For another key file; connections in setup under the key before still verify if it is in it. The clock stays as the
   * relay process has set it since.
   */
  setSettings(settings: SetupSettings): void {
    const map = this.#map('setup_settings')
    const clockOffsetSeconds = map.lookup(FIRST)!.readUInt32LE(SETUP_CLOCK_AT)
    map.update(FIRST, encodeSetupSettings({...settings, clockOffsetSeconds}))
  }

  counters(): Record<(typeof SETUP_COUNTERS)[number], number> {
    // enum setup_counter begins behind the room of the gate's own counters.
    const names = Array.from({length: FIRST_COUNTER}, (_, index) => GATE_COUNTERS[index] ?? `reserved${index}`)
    const all = readNamedCounters([...names, ...SETUP_COUNTERS], this.#map('counters', possibleCpus()))
    return Object.fromEntries(SETUP_COUNTERS.map((name) => [name, all[name]])) as Record<
      (typeof SETUP_COUNTERS)[number],
      number
    >
  }

  /** Takes the plane off its interfaces. The gate removes the maps; it is to be detached after this. */
  detach(): void {
    for (const {ifindex} of this.#options.devices) detachTc(place(ifindex))
    const settings = openPinnedMap(join(this.#options.pins, 'setup_settings'))
    settings?.update(FIRST, Buffer.alloc(SETUP_SETTINGS_BYTES))
    settings?.close()
    for (const map of this.#maps.values()) map.close()
    this.#maps.clear()
  }

  /** @param cpus for a per-CPU map */
  #map(name: string, cpus = 0): BpfMap {
    let map = this.#maps.get(name)
    if (!map) this.#maps.set(name, (map = openPinnedMap(join(this.#options.pins, name), cpus)!))
    return map
  }
}

function refill(map: BpfMap, entries: [Buffer, Buffer][]): void {
  for (const key of map.keys()) map.delete(key)
  for (const [key, value] of entries) map.update(key, value)
}

function place(ifindex: number): TcPlace {
  return {ifindex, direction: 'ingress', handle: TC_HANDLE, priority: SETUP_PRIORITY}
}
