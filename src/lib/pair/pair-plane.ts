import {join} from 'node:path'

import {AckGate} from '../gate/ack-gate.js'
import {findDevice, routeTo} from '../handshake/network-device.js'
import {findBpffs, unmount, type FileSystem} from '../handshake/mounts.js'
import type {PairConfig, PairSettings} from './pair-config.js'

/** The pair's half in the kernel, held by the control process: it is there before a relay process, and after. */
export class PairPlane {
  #gate: AckGate | null = null
  #bpffs: FileSystem | null = null

  constructor(
    readonly instance: string,
    readonly settings: PairSettings,
  ) {}

  /**
   * Puts the datapath onto the interfaces, silent: the relay process gives it its lease. What a killed predecessor has
   * left is taken over, and stays silent.
   *
   * @param epochPath file that keeps the epoch
   * @throws OverlayError NOT_FOUND, UNREACHABLE, PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING
   */
  attach(epochPath: string): PairConfig {
    const {settings} = this
    const virtualAddresses = settings.virtualAddresses.map((each) => ({...each, device: routeTo(each.peer).device}))
    const devices = [...new Set(virtualAddresses.map(({device}) => device))].map((name) => findDevice(name))
    this.#bpffs = findBpffs()
    const pins = join(this.#bpffs.path, `overlay-pair-${this.instance}`)
    this.#gate = AckGate.attach({
      devices,
      pins,
      virtualAddresses: virtualAddresses.map(({address}) => address),
      linkDevice: findDevice(routeTo(settings.peer.address).device),
    })
    this.#gate.setLease(1n)
    const linkPort = settings.member === 'b' ? settings.listen.port : settings.peer.port
    this.#gate.enable({linkPort})
    return {...settings, virtualAddresses, pins, epochPath}
  }

  counters(): Record<string, number> {
    return this.#gate?.counters() ?? {}
  }

  close(): void {
    this.#gate?.detach()
    this.#gate = null
    if (this.#bpffs?.mountedHere) unmount(this.#bpffs.path)
    this.#bpffs = null
  }
}
