import type {RelaySettings} from '../config/relay-settings.js'
import {OverlayError} from '../errors/index.js'
import {OVERLAY_BBR} from '../handshake/constants.js'
import {EdgePlane} from '../handshake/edge-plane.js'
import {GatewayPlane} from '../handshake/gateway-plane.js'
import {devicesToward} from '../handshake/network-device.js'
import type {KeyRing} from '../keys/key-file.js'
import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import type {HandshakePlane} from './handshake-plane.js'
import type {EdgeConfig, GatewayConfig} from './process-config.js'
import type {LogLine} from './rate-limited-log.js'

type Log = (line: LogLine) => void

/** What both planes offer to {@link AttachedPlane}. */
interface Plane {
  readonly limitations: string[]
  readonly hasSockops: boolean
  readonly congestionControl: null | string
  setKeys(keys: KeyRing): void
  status(): object
}

/** The handshake plane in the kernel, held by the control process of a relay. Null when zero-RTT is off. */
export function edgePlane(settings: RelaySettings<EdgeConfig>, log: Log): HandshakePlane | null {
  let {gateways} = settings.config
  return settings.zeroRtt
    ? new AttachedPlane(
        log,
        (keys) => EdgePlane.attach({...common(settings), keys, gateways}),
        (plane) => plane.release(gateways),
        (plane, wanted) => {
          const elsewhere = plane.serve(gateways, wanted)
          gateways = [...wanted]
          return elsewhere
        },
      )
    : null
}

/** The same for a gateway. */
export function gatewayPlane(settings: RelaySettings<GatewayConfig>, log: Log): HandshakePlane | null {
  const {listeners} = settings
  return settings.zeroRtt
    ? new AttachedPlane(
        log,
        (keys) =>
          GatewayPlane.attach({...common(settings), interfaces: gatewayInterfaces(settings), keys, listen: listeners}),
        (plane) => plane.release(listeners),
        () => [],
      )
    : null
}

function common({name, interfaces, initialWindow, clockOffsetSeconds}: RelaySettings<unknown>) {
  return {
    name,
    owner: 'start' as const,
    interfaces: interfaces.length > 0 ? interfaces : undefined,
    initialWindow,
    clockOffsetSeconds,
  }
}

/** Of a pair, the addresses listened on are on no interface yet: their networks are. */
function gatewayInterfaces({interfaces, pair, listeners}: RelaySettings<unknown>): string[] | undefined {
  if (interfaces.length > 0) return interfaces
  if (pair === null) return undefined
  const listened = pair.virtualAddresses.filter(({address}) =>
    listeners.some((listener) => listener.address === address),
  )
  return devicesToward(listened.map(({peer}) => peer))
}

class AttachedPlane<P extends Plane> implements HandshakePlane {
  #plane: P | null = null

  constructor(
    private readonly log: Log,
    private readonly attachWith: (keys: KeyRing) => P,
    private readonly release: (plane: P) => void,
    /** @returns gateways that it cannot serve */
    private readonly serve: (plane: P, gateways: readonly Endpoint[]) => Endpoint[],
  ) {}

  attach(keys: KeyRing): boolean {
    try {
      this.#plane = this.attachWith(keys)
    } catch (error) {
      const lacking =
        error instanceof OverlayError && (error.code === 'KERNEL_FEATURE_MISSING' || error.code === 'PROGRAM_MISSING')
      if (!lacking) throw error
      this.warn(`no zero-RTT handshake on this host: ${error.message}; overlay doctor says what is missing`)
      return false
    }

    for (const limitation of this.#plane.limitations) this.warn(limitation)
    return true
  }

  setKeys(keys: KeyRing): void {
    this.#plane?.setKeys(keys)
  }

  serveGateways(gateways: readonly Endpoint[]): void {
    const elsewhere = this.#plane ? this.serve(this.#plane, gateways) : []
    if (elsewhere.length === 0) return
    const names = elsewhere.map((gateway) => formatEndpoint(gateway)).join(', ')
    this.warn(`an interface without the handshake plane leads to ${names}: ordinary handshakes until a restart`)
  }

  status(): object {
    return this.#plane?.status() ?? {}
  }

  /** Where a sock_ops program runs it turns bbr into overlay_bbr by itself; else the relay asks for it. */
  get congestionControl(): null | string {
    return this.#plane?.congestionControl === OVERLAY_BBR && !this.#plane.hasSockops ? OVERLAY_BBR : null
  }

  close(): void {
    if (this.#plane) this.release(this.#plane)
    this.#plane = null
  }

  private warn(message: string): void {
    this.log({level: 'warning', kind: 'handshake', message, suppressed: 0})
  }
}
