import type {KeyRing} from '../keys/key-file.js'
import type {Endpoint} from '../wire/endpoint.js'

/**
 * The handshake plane as the relay plane sees it: something that makes connect() fast, or lets a gateway take such
 * connects. The supervisor attaches it before its processes start and closes it after the last has ended. Without one
 * everything works over ordinary handshakes.
 */
export interface HandshakePlane {
  /**
   * @returns false when this kernel lacks what it takes: everything then works over ordinary handshakes
   * @throws OverlayError when a privilege or an interface is missing
   */
  attach(keys: KeyRing): boolean | Promise<boolean>
  /** Keys were rotated while it runs. */
  setKeys(keys: KeyRing): void
  /**
   * An edge's gateways have changed while it runs.
   *
   * @throws OverlayError UNREACHABLE, and then nothing has changed
   */
  serveGateways(gateways: readonly Endpoint[]): void
  /** For `status`; plain JSON. */
  status(): object
  /** The congestion control that sockets of the middle leg must use; null leaves it to the configuration. */
  readonly congestionControl: string | null
  close(): void
}
