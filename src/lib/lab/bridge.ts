import type {LinkCounters} from './delay-line.js'
import {directionChange, type DirectionChange, type DirectionParameters} from './link-parameters.js'
import type {LinkPlan} from './plan.js'
import {runProgram} from './program.js'

/**
 * The engine of links that add nothing: a bridge, on which large segments pass whole. What is measured then is the programs,
 * not the cutting and carrying of single frames.
 */

/** Commands for `ip -batch` in the wire namespace that join a link's two line interfaces. */
export function bridgeCommands({network, near, far}: LinkPlan): string[] {
  const bridge = `brw${network}`
  return [
    `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set ${near.lineInterface} master ${bridge}`,
    `link set ${far.lineInterface} master ${bridge}`,
    `link set ${bridge} up`,
  ]
}

export async function startBridge(wire: string, link: LinkPlan): Promise<void> {
  await runProgram('ip', ['-n', wire, '-batch', '-'], bridgeCommands(link).join('\n') + '\n')
}

/** What a direction asks for that a bridge cannot do; empty when it asks for nothing. */
export function beyondBridge(direction: DirectionChange): string[] {
  const impairs: (keyof DirectionParameters)[] = [
    'delayMs',
    'jitterMs',
    'lossPercent',
    'duplicatePercent',
    'reorderPercent',
    'rateMbit',
  ]
  const rules = ['drop', 'copy', 'hold'] as const
  const change = directionChange(direction)
  return [
    ...impairs.filter((key) => change[key] !== undefined && change[key] !== 0),
    ...rules.filter((key) => (change[key]?.length ?? 0) > 0),
  ]
}

/** Large segments count once. Of the directions from near to far and back. */
export async function bridgeCounters(wire: string, {near, far}: LinkPlan): Promise<[LinkCounters, LinkCounters]> {
  const read = async (device: string): Promise<LinkCounters> => {
    const text = await runProgram('ip', ['-n', wire, '-s', '-j', 'link', 'show', 'dev', device])
    const [{stats64}] = JSON.parse(text) as {stats64: {tx: {packets: number; dropped: number}}}[]
    const {packets, dropped} = stats64.tx
    return {
      received: packets + dropped,
      forwarded: packets,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      droppedByQueue: dropped,
      droppedByRule: 0,
    }
  }

  return [await read(far.lineInterface), await read(near.lineInterface)]
}
