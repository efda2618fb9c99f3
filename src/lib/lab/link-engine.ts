import {OverlayError} from '../errors/index.js'
import {beyondBridge, bridgeCounters, startBridge} from './bridge.js'
import {delayLineCounters, setDelayLine, settingWords, startDelayLine, type LinkCounters} from './delay-line.js'
import {needsDelayLine, type DirectionChange} from './link-parameters.js'
import {changeNetem, netemCounters, probeNetem, startNetem} from './netem.js'
import type {LinkPlan} from './plan.js'
import type {ProcessIdentity} from './processes.js'
import type {LinkEngineName} from './spec.js'
import type {EngineName, LabState, LinkState} from './state.js'

export type {LinkCounters} from './delay-line.js'

/** What makes a link slow or lossy. */
export interface LinkEngine {
  name: EngineName
  start(lab: LabState, link: LinkPlan, owned: boolean): Promise<ProcessIdentity | null>
  /** Changes of the directions from near to far and back. */
  change(lab: LabState, link: LinkPlan, far: DirectionChange, near: DirectionChange): Promise<void>
  /** Counters of the directions from near to far and back. */
  counters(lab: LabState, link: LinkPlan): Promise<[LinkCounters, LinkCounters]>
}

const delayLine: LinkEngine = {
  name: 'delay-line',
  start: (lab, link, owned) => startDelayLine(lab.name, lab.wire, link, owned ? process.pid : null),
  change: (lab, link, far, near) =>
    setDelayLine(lab.name, link.name, [...settingWords('ab', far), ...settingWords('ba', near)]),
  counters: (lab, link) => delayLineCounters(lab.name, link.name),
}

const netem: LinkEngine = {
  name: 'netem',
  async start(lab, link) {
    await startNetem(lab.wire, link)
    return null
  },
  async change(lab, link, far, near) {
    const next = {...link, towardsFar: {...link.towardsFar, ...far}, towardsNear: {...link.towardsNear, ...near}}
    if (needsDelayLine(next.towardsFar) || needsDelayLine(next.towardsNear)) throw notWithNetem(link.name)
    await changeNetem(lab.wire, next)
  },
  counters: (lab, link) => netemCounters(lab.wire, link),
}

const bridge: LinkEngine = {
  name: 'bridge',
  async start(lab, link) {
    await startBridge(lab.wire, link)
    return null
  },
  change(_lab, link, far, near) {
    const beyond = [...beyondBridge(far), ...beyondBridge(near)]
    return beyond.length > 0 ? Promise.reject(notWithBridge(link.name, beyond)) : Promise.resolve()
  },
  counters: (lab, link) => bridgeCounters(lab.wire, link),
}

const ENGINES: Record<EngineName, LinkEngine> = {bridge, 'delay-line': delayLine, netem}

export function engineOf(link: LinkState): LinkEngine {
  return ENGINES[link.engine]
}

/**
 * The engine for a link: netem where the kernel has it and it can do what is asked, otherwise the delay line.
 *
 * @throws OverlayError KERNEL_FEATURE_MISSING or CONFIG_INVALID when the one asked for cannot
 */
export async function chooseEngine(wanted: LinkEngineName, link: LinkPlan, wire: string): Promise<LinkEngine> {
  if (wanted === 'delay-line') return delayLine
  if (wanted === 'bridge') {
    const beyond = [...beyondBridge(link.towardsFar), ...beyondBridge(link.towardsNear)]
    if (beyond.length > 0) throw notWithBridge(link.name, beyond)
    return bridge
  }

  const unfit = needsDelayLine(link.towardsFar) || needsDelayLine(link.towardsNear)
  if (wanted === 'auto') return !unfit && (await probeNetem(wire)) ? netem : delayLine
  if (unfit) throw notWithNetem(link.name)
  if (await probeNetem(wire)) return netem
  throw new OverlayError('KERNEL_FEATURE_MISSING', 'this kernel has no netem (sch_netem)', {
    suggestions: ['modprobe sch_netem', '--link-engine delay-line'],
  })
}

function notWithNetem(link: string): OverlayError {
  return new OverlayError('CONFIG_INVALID', `link ${link}: reorder, drop, copy and hold need the delay line`, {
    suggestions: ['--link-engine delay-line'],
  })
}

function notWithBridge(link: string, keys: readonly string[]): OverlayError {
  return new OverlayError('CONFIG_INVALID', `link ${link}: a bridge has no ${[...new Set(keys)].join(', ')}`, {
    suggestions: ['--link-engine auto', `rttMs: 0 for ${link}`],
  })
}
