import {bridgeCommands} from './bridge.js'
import type {LinkCounters} from './delay-line.js'
import type {DirectionParameters} from './link-parameters.js'
import type {LinkPlan} from './plan.js'
import {runProgram} from './program.js'

/** Bytes of a full Ethernet frame: netem counts its queue in packets. */
const FULL_FRAME = 1514
/** Packets under way on a link without a rate; netem's own default of 1000 would drop on long links. */
const UNLIMITED_PACKETS = 100_000

/** Whether the kernel has netem: tries it on the loopback interface of the wire namespace. */
export async function probeNetem(wire: string): Promise<boolean> {
  try {
    await runProgram('tc', ['-n', wire, 'qdisc', 'replace', 'dev', 'lo', 'root', 'netem', 'delay', '1ms'])
    await runProgram('tc', ['-n', wire, 'qdisc', 'del', 'dev', 'lo', 'root'])
    return true
  } catch {
    return false
  }
}

/**
 * The words after `netem` for one direction. Delay and jitter: netem spreads evenly around a mean, so the mean is the
 * delay plus half the jitter.
 */
export function netemWords(direction: DirectionParameters): string[] {
  const {delayMs, jitterMs, lossPercent, duplicatePercent, rateMbit} = direction
  const words = ['limit', String(packetLimit(direction)), 'delay', `${trim(delayMs + jitterMs / 2)}ms`]
  if (jitterMs > 0) words.push(`${trim(jitterMs / 2)}ms`)
  if (lossPercent > 0) words.push('loss', 'random', `${trim(lossPercent)}%`)
  if (duplicatePercent > 0) words.push('duplicate', `${trim(duplicatePercent)}%`)
  if (rateMbit > 0) words.push('rate', `${trim(rateMbit)}mbit`)
  return words
}

/** netem's limit covers the packets under way as well as those that wait for the rate. */
function packetLimit({delayMs, jitterMs, queueBytes, rateMbit}: DirectionParameters): number {
  if (rateMbit === 0) return UNLIMITED_PACKETS
  const underWay = ((delayMs + jitterMs) * rateMbit * 1000) / 8
  return Math.ceil((queueBytes + underWay) / FULL_FRAME) + 1
}

/**
 * Commands for `ip -batch` and `tc -batch` that join the two line interfaces by a bridge and put netem on both. netem
 * works on egress: the far interface delays what goes to the far side.
 */
export function netemCommands(link: LinkPlan, action: 'add' | 'replace'): {ip: string[]; tc: string[]} {
  const {near, far} = link
  const tc = [[far.lineInterface, link.towardsFar] as const, [near.lineInterface, link.towardsNear] as const].flatMap(
    ([device, direction]) => [
      `qdisc ${action} dev ${device} root handle 1: netem ${netemWords(direction).join(' ')}`,
      // A child queue that is first in, first out keeps packets in order in spite of jitter (tc-netem(8)).
      ...(direction.jitterMs > 0
        ? [`qdisc ${action} dev ${device} parent 1:1 handle 2: pfifo limit ${packetLimit(direction)}`]
        : []),
    ],
  )
  return {ip: action === 'add' ? bridgeCommands(link) : [], tc}
}

export async function startNetem(wire: string, link: LinkPlan): Promise<void> {
  const {ip, tc} = netemCommands(link, 'add')
  await runProgram('ip', ['-n', wire, '-batch', '-'], ip.join('\n') + '\n')
  await runProgram('tc', ['-n', wire, '-batch', '-'], tc.join('\n') + '\n')
}

/** @param link with the parameters it is to have */
export async function changeNetem(wire: string, link: LinkPlan): Promise<void> {
  await runProgram('tc', ['-n', wire, '-batch', '-'], netemCommands(link, 'replace').tc.join('\n') + '\n')
}

export async function netemCounters(wire: string, link: LinkPlan): Promise<[LinkCounters, LinkCounters]> {
  const read = async (device: string): Promise<LinkCounters> =>
    parseQdisc(await runProgram('tc', ['-n', wire, '-s', '-j', 'qdisc', 'show', 'dev', device, 'root']))
  return [await read(link.far.lineInterface), await read(link.near.lineInterface)]
}

/** Reads `tc -s -j qdisc show`. netem counts all drops together: they appear as lost. */
export function parseQdisc(json: string): LinkCounters {
  const [qdisc] = JSON.parse(json) as {packets?: number; drops?: number}[]
  const {packets = 0, drops = 0} = qdisc ?? {}
  return {
    received: packets + drops,
    forwarded: packets,
    lost: drops,
    duplicated: 0,
    reordered: 0,
    droppedByQueue: 0,
    droppedByRule: 0,
  }
}

const trim = (number: number): string => String(Math.round(number * 1e6) / 1e6)
