import {spawnSync} from 'node:child_process'
import {join} from 'node:path'

import {AckGate} from '../gate/ack-gate.js'
import type {SetupSettings} from '../gate/setup-maps.js'
import {SetupPlane} from '../gate/setup-plane.js'
import {bootTimeMs, taiSeconds} from '../kernel/boot-time.js'
import {EtcdCoordination, type CoordinationEvents} from '../coordination/etcd-coordination.js'
import type {Question} from '../coordination/owner-record.js'
import {findDevice, routeTo} from '../handshake/network-device.js'
import {findBpffs, unmount, type FileSystem} from '../handshake/mounts.js'
import type {KeyRing} from '../keys/key-file.js'
import type {Endpoint} from '../wire/endpoint.js'
import type {PairConfig, PairSettings} from './pair-config.js'

/** What a client's connection takes for its round trip until it has measured one, ms. */
const RTT_GUESS_MS = 100

const DESTROY_DEADLINE_MS = 2000

/** IP and TCP headers of a segment without options. */
const HEADERS_IPV4 = 40
const HEADERS_IPV6 = 60

/** The pair's half in the kernel, held by the control process: it is there before a relay process, and after. */
export class PairPlane {
  #gate: AckGate | null = null
  #setup: SetupPlane | null = null
  #segments: Omit<SetupSettings, 'keys'> | null = null
  #bpffs: FileSystem | null = null
  #coordination: EtcdCoordination | null = null

  constructor(
    readonly instance: string,
    readonly settings: PairSettings,
    /** What clients, or edges, connect to. */
    readonly listeners: readonly Endpoint[],
    /** Seconds that the clock of SYN/ACKs is off at the start, for tests. */
    readonly clockOffsetSeconds: number,
  ) {}

  /**
   * Puts the datapath onto the interfaces, silent: the relay process gives it its lease. What a killed predecessor has
   * left is taken over, and stays silent.
   *
   * @param epochPath file that keeps the epoch
   * @param events of etcd
   * @throws OverlayError NOT_FOUND, UNREACHABLE, PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING
   */
  attach(keys: KeyRing, epochPath: string, events: CoordinationEvents): PairConfig {
    const {settings} = this
    if (settings.etcd !== null) this.#coordination = new EtcdCoordination(settings.etcd, settings.member, events)
    const virtualAddresses = settings.virtualAddresses.map((each) => ({...each, device: routeTo(each.peer).device}))
    const devices = [...new Set(virtualAddresses.map(({device}) => device))].map((name) => findDevice(name))
    this.#bpffs = findBpffs()
    const pins = join(this.#bpffs.path, `overlay-pair-${this.instance}`)
    const linkPort = settings.member === 'b' ? settings.listen.port : settings.peer.port
    this.#gate = AckGate.attach({
      devices,
      pins,
      virtualAddresses: virtualAddresses.map(({address}) => address),
      linkDevice: findDevice(routeTo(settings.peer.address).device),
      fenced: {linkPort, muteAccepted: true},
    })
    const mtu = Math.min(...devices.map((device) => device.mtu))
    this.destroySockets()
    this.#segments = {
      mssIPv4: mtu - HEADERS_IPV4,
      mssIPv6: mtu - HEADERS_IPV6,
      rttGuessMs: RTT_GUESS_MS,
      clockOffsetSeconds: taiSeconds() - Math.floor(bootTimeMs() / 1000) + this.clockOffsetSeconds,
    }
    this.#setup = SetupPlane.attach({
      devices,
      pins,
      virtualAddresses,
      listeners: [...this.listeners],
      settings: {...this.#segments, keys},
    })
    return {...settings, virtualAddresses, pins, epochPath}
  }

  /**
   * Ends what the kernel still has of a dead relay process's connections: whoever takes the place of one of them would be
   * refused its ports. Nothing of it is heard, since the gate is shut. Best effort: kernels without
   * CONFIG_INET_DIAG_DESTROY keep them until they give up.
   */
  destroySockets(): void {
    for (const {address} of this.settings.virtualAddresses) {
      const source = address.includes(':') ? `[${address}]` : address
      spawnSync('ss', ['-H', '-t', '-n', '-K', 'state', 'connected', 'src', source], {
        stdio: 'ignore',
        timeout: DESTROY_DEADLINE_MS,
      })
    }
  }

  /** Connections in setup under the key before go on. */
  setKeys(keys: KeyRing): void {
    if (this.#segments !== null) this.#setup?.setSettings({...this.#segments, keys})
  }

  /** @returns see {@link EtcdCoordination.ask}; undefined without etcd, too */
  async coordinate(question: Question | null): Promise<number | null | undefined> {
    return this.#coordination?.ask(question)
  }

  counters(): Record<string, number> {
    return {...this.#gate?.counters(), ...this.#setup?.counters()}
  }

  close(): void {
    this.#coordination?.close().catch(() => {})
    this.#coordination = null
    this.#setup?.detach()
    this.#setup = null
    this.#gate?.detach()
    this.#gate = null
    if (this.#bpffs?.mountedHere) unmount(this.#bpffs.path)
    this.#bpffs = null
  }
}
