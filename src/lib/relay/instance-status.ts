import {OverlayError} from '../errors/index.js'
import {EdgePlane, type EdgePlaneStatus} from '../handshake/edge-plane.js'
import {GatewayPlane, type GatewayPlaneStatus} from '../handshake/gateway-plane.js'
import {renderEdgePlane, renderGatewayPlane} from '../handshake/render.js'
import {askInstance} from './admin-client.js'
import {renderStatus} from './render.js'
import type {RelayRole} from './run-directory.js'
import type {InstanceStatus} from './supervisor.js'

/** How long a running instance may take to answer, ms. */
const DEADLINE_MS = 5000

/** Only the handshake plane is there: put by `attach` for other programs, or left by a relay that was killed. */
export interface AttachedStatus {
  role: RelayRole
  name: string
  state: 'attached'
  handshake: EdgePlaneStatus | GatewayPlaneStatus
}

export type StatusResult = AttachedStatus | InstanceStatus

/**
 * What runs under a name: a relay with its plane, or a plane alone.
 *
 * @param signal whoever asks does not want to know any more
 * @throws OverlayError NOT_RUNNING when there is neither
 */
export async function instanceStatus(role: RelayRole, name: string, signal?: AbortSignal): Promise<StatusResult> {
  try {
    return await askInstance<InstanceStatus>(role, name, {command: 'status'}, DEADLINE_MS, {signal})
  } catch (error) {
    if (!(error instanceof OverlayError) || error.code !== 'NOT_RUNNING') throw error
    const plane = role === 'edge' ? EdgePlane.open(name) : GatewayPlane.open(name)
    if (!plane) throw error
    return {role, name, state: 'attached', handshake: plane.status()}
  }
}

/**
 * The status as text: the relay's part, then the handshake plane's.
 *
 * @param previous an earlier look at the same instance: then rates are shown
 */
export function renderInstance(status: StatusResult, previous: StatusResult | null = null): string {
  const plane = status.handshake === null ? null : renderPlane(status.role, status.handshake)
  if (isAttachedOnly(status)) return `${plane}\nno relay runs under this name`
  const relay = renderStatus(status, previous === null || isAttachedOnly(previous) ? null : previous)
  return plane === null ? relay : `${relay}\n\n${plane}`
}

function isAttachedOnly(status: StatusResult): status is AttachedStatus {
  return status.state === 'attached'
}

function renderPlane(role: RelayRole, plane: object): string {
  return role === 'edge' ? renderEdgePlane(plane as EdgePlaneStatus) : renderGatewayPlane(plane as GatewayPlaneStatus)
}
