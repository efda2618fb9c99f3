import {overlayCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {EdgeTraffic} from '../relay/status-report.js'
import type {Percentiles} from './percentiles.js'
import type {Stage} from './stage.js'

/** What of `overlay edge status --json` and `overlay gateway status --json` is looked at here. */
interface Status {
  handshake: object | null
  traffic: EdgeTraffic
}

async function statusOf(stage: Pick<Stage, 'run'>, role: 'edge' | 'gateway', name: string): Promise<Status> {
  return JSON.parse(await stage.run(role, overlayCommand(role, 'status', '--name', name, '--json'))) as Status
}

/**
 * Where a kernel cannot, edge and gateway do without the handshake plane and go on: right for them, but then there is no
 * zero-RTT path to measure.
 *
 * @throws OverlayError KERNEL_FEATURE_MISSING
 */
export async function requireHandshakePlane(
  stage: Pick<Stage, 'run'>,
  name: string,
  roles: readonly ('edge' | 'gateway')[] = ['edge', 'gateway'],
): Promise<void> {
  for (const role of roles) {
    const {handshake} = await statusOf(stage, role, name)
    if (handshake !== null) continue
    throw new OverlayError('KERNEL_FEATURE_MISSING', `the ${role} runs without the handshake plane`, {
      cause: 'see overlay doctor',
      suggestions: [`overlay doctor ${role}`],
    })
  }
}

/** How long the edge's connect() to its gateway took so far, by its own count; undefined before the first. */
export async function middleConnect(
  stage: Pick<Stage, 'run'>,
  name: string,
  kind: 'ordinary' | 'zeroRtt',
): Promise<Percentiles | undefined> {
  const {traffic} = await statusOf(stage, 'edge', name)
  const {p50, p90, p99} = traffic.gateways[0].connectMs[kind]
  return p50 === null || p90 === null || p99 === null ? undefined : {p50, p90, p99}
}
