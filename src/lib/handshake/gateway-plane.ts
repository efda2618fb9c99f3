import {readFileSync} from 'node:fs'

import type {Endpoint} from '../wire/endpoint.js'
import {readState} from './attachment-state.js'
import type {CounterName} from './counters.js'
import {devicesHolding, findDevice} from './network-device.js'
import {type EdgeRtt, readEdgeRtts} from './path-state.js'
import {attachPlane, Plane, type PlaneOptions, type Served} from './plane.js'

export interface GatewayPlaneOptions extends PlaneOptions {
  /** Where middle legs arrive: the ports are served, and the addresses name the interfaces. */
  listen: Endpoint[]
  /** Milliseconds; what a child takes for its RTT before it has measured, for an edge not heard before. */
  rttGuessMs?: number
}

export interface GatewayPlaneStatus {
  name: string
  interfaces: string[]
  ports: number[]
  congestionControl: null | string
  counters: Record<CounterName<'gateway'>, number>
  edges: EdgeRtt[]
}

/** Too high a guess is corrected by the first sample; too low a one makes the first retransmission early. */
const DEFAULT_RTT_GUESS_MS = 100

const IPV4_TCP_HEADERS = 40
const IPV6_TCP_HEADERS = 60
/** Larger MTUs gain nothing: an MSS is said in 16 bits, and lo has 65536. */
const LARGEST_MTU = 9000

/** The gateway's half of the handshake plane. */
export class GatewayPlane extends Plane<'gateway'> {
  /**
   * Attaches, or takes over what an earlier process of the same name attached.
   *
   * @throws OverlayError NOT_FOUND, PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING, ALREADY_EXISTS
   */
  static attach(options: GatewayPlaneOptions): GatewayPlane {
    const devices = (options.interfaces ?? devicesHolding(options.listen)).map((name) => findDevice(name))
    const mtu = Math.min(...devices.map((device) => device.mtu), LARGEST_MTU)
    const {state, limitations, settings} = attachPlane('gateway', options, devices, served(options.listen), {
      mssIPv4: mtu - IPV4_TCP_HEADERS,
      mssIPv6: mtu - IPV6_TCP_HEADERS,
      rttGuessMs: options.rttGuessMs ?? DEFAULT_RTT_GUESS_MS,
      keepalive: false,
    })
    if (syncookiesOff()) limitations.push('net.ipv4.tcp_syncookies is 0: children cannot be made; set it to 1')
    return new GatewayPlane('gateway', state, limitations, settings)
  }

  /** What an earlier process attached under that name, or null. */
  static open(name: string): GatewayPlane | null {
    const state = readState('gateway', name)
    return state && new GatewayPlane('gateway', state, [], null)
  }

  status(): GatewayPlaneStatus {
    const ports = this.map('ports').keys()
    return {
      name: this.state.name,
      interfaces: this.interfaces,
      ports: ports.map((key) => key.readUInt16BE(0)).sort((a, b) => a - b),
      congestionControl: this.congestionControl,
      counters: this.counters,
      edges: readEdgeRtts(this.map('edges')),
    }
  }

  /** What a process that ends takes away: everything, or only its ports when `attach` had put the rest there. */
  release(listen: readonly Endpoint[]): void {
    this.leave(served(listen))
  }
}

function served(listen: readonly Endpoint[]): Served {
  const keys = listen.map(({port}) => {
    const key = Buffer.alloc(2)
    key.writeUInt16BE(port, 0)
    return key
  })
  return {map: 'ports', keys}
}

function syncookiesOff(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_syncookies', 'latin1').trim() === '0'
  } catch {
    return false
  }
}
