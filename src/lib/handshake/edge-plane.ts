import type {Endpoint} from '../wire/endpoint.js'
import {keepNeighbours} from './attachment.js'
import {readState} from './attachment-state.js'
import type {CounterName} from './counters.js'
import {devicesToward, findDevice} from './network-device.js'
import {decodeGatewayKey, gatewayKey, type PathState, readPaths} from './path-state.js'
import {attachPlane, Plane, type PlaneOptions, type Served} from './plane.js'

export interface EdgePlaneOptions extends PlaneOptions {
  gateways: Endpoint[]
  /** Open again by keep-alive probes until the gateway is heard: for programs that may have nothing to send first. */
  keepalive?: boolean
}

export interface EdgePlaneStatus {
  name: string
  interfaces: string[]
  gateways: Endpoint[]
  congestionControl: null | string
  counters: Record<CounterName<'edge'>, number>
  paths: PathState[]
}

/** MSS in bytes that an edge assumes of a gateway that it has not heard yet: an MTU of 1500. */
const ASSUMED_MSS = {mssIPv4: 1460, mssIPv6: 1440}

/** The edge's half of the handshake plane. */
export class EdgePlane extends Plane<'edge'> {
  /**
   * Attaches, or takes over what an earlier process of the same name attached.
   *
   * @throws OverlayError NOT_FOUND, UNREACHABLE, PRIVILEGE_MISSING, KERNEL_FEATURE_MISSING, ALREADY_EXISTS
   */
  static attach(options: EdgePlaneOptions): EdgePlane {
    const addresses = options.gateways.map((gateway) => gateway.address)
    const devices = (options.interfaces ?? devicesToward(addresses)).map((name) => findDevice(name))
    const roleSettings = {...ASSUMED_MSS, rttGuessMs: 0, keepalive: options.keepalive ?? false}
    const attached = attachPlane('edge', options, devices, served(options.gateways), roleSettings)
    keepNeighbours(attached.state, addresses)
    return new EdgePlane('edge', attached.state, attached.limitations, attached.settings)
  }

  /** What an earlier process attached under that name, or null. */
  static open(name: string): EdgePlane | null {
    const state = readState('edge', name)
    return state && new EdgePlane('edge', state, [], null)
  }

  status(): EdgePlaneStatus {
    const gateways = this.map('gateways').keys()
    return {
      name: this.state.name,
      interfaces: this.interfaces,
      gateways: gateways.map((key) => decodeGatewayKey(key)),
      congestionControl: this.congestionControl,
      counters: this.counters,
      paths: readPaths(this.map('paths')),
    }
  }

  /**
   * Serves other gateways from now on. The interfaces stay those that it was attached to.
   *
   * @param before gateways that this process has asked for so far
   * @returns those behind an interface without the programs: their connections open ordinarily
   * @throws OverlayError UNREACHABLE when there is no route to one of them; nothing has changed then
   */
  serve(before: readonly Endpoint[], gateways: readonly Endpoint[]): Endpoint[] {
    const addresses = gateways.map((gateway) => gateway.address)
    const elsewhere = gateways.filter(
      ({address}) => !devicesToward([address]).every((device) => this.interfaces.includes(device)),
    )
    const {keys} = served(gateways)
    for (const key of keys) this.map('gateways').update(key, Buffer.alloc(4, 1))
    for (const key of served(before).keys) {
      if (!keys.some((other) => other.equals(key))) this.map('gateways').delete(key)
    }

    keepNeighbours(this.state, addresses)
    return elsewhere
  }

  /** What a process that ends takes away: everything, or only its gateways when `attach` had put the rest there. */
  release(gateways: readonly Endpoint[]): void {
    this.leave(served(gateways))
  }
}

function served(gateways: readonly Endpoint[]): Served {
  return {map: 'gateways', keys: gateways.map((gateway) => gatewayKey(gateway))}
}
