import {setTimeout as sleep} from 'node:timers/promises'

import {textTable} from '../cli/table.js'
import {OverlayError} from '../errors/index.js'
import {askInstance} from '../relay/admin-client.js'
import {instanceNames, type RelayRole} from '../relay/run-directory.js'
import type {InstanceStatus} from '../relay/supervisor.js'

/** How long a running instance may take to answer, ms. */
const DEADLINE_MS = 5000

/** How long a hand-over may take until the other server has the addresses, ms. */
const HANDOVER_DEADLINE_MS = 5000

const ROLES: readonly RelayRole[] = ['edge', 'gateway']

/** A member of a pair that runs on this host. */
export interface MemberStatus {
  instance: RelayRole
  name: string
  pair: NonNullable<InstanceStatus['pair']>
}

export interface FailoverStatus {
  members: MemberStatus[]
}

/**
 * The members of pairs that run on this host.
 *
 * @param name only those of this name
 * @throws OverlayError NOT_RUNNING when there are none
 */
export async function failoverStatus(name?: string): Promise<FailoverStatus> {
  const members: MemberStatus[] = []
  for (const instance of ROLES) {
    for (const found of instanceNames(instance).filter((each) => name === undefined || each === name)) {
      const status = await askInstance<InstanceStatus>(instance, found, {command: 'status'}, DEADLINE_MS)
      if (status.pair !== null) members.push({instance, name: found, pair: status.pair})
    }
  }

  if (members.length > 0) return {members}
  throw new OverlayError(
    'NOT_RUNNING',
    `no member of a pair${name === undefined ? '' : ` named "${name}"`} runs here`,
    {
      suggestions: ['give edge.pair or gateway.pair in the configuration file', 'overlay edge start --help'],
    },
  )
}

/** What a planned hand-over, or a claim, came to. */
export interface TakeoverResult {
  instance: RelayRole
  name: string
  action: 'claim' | 'handover'
  /** What this server is afterwards. */
  role: MemberStatus['pair']['role']
  epoch: number
  /** Connections at the time of asking. */
  flows: number
  /** From asking to the moment that roles had changed, ms. */
  durationMs: number
}

/**
 * Hands the addresses of this host's member to the other server; or, with `alone`, claims them without it.
 *
 * @throws OverlayError NOT_RUNNING, NOT_PAIRED, DEADLINE_EXCEEDED; USAGE when the name does not say which member
 */
export async function takeover(name: string | undefined, alone: boolean): Promise<TakeoverResult> {
  const {members} = await failoverStatus(name)
  if (members.length > 1) {
    throw new OverlayError('USAGE', `${members.length} members of pairs run here: which one?`, {
      suggestions: members.map((member) => `--name ${member.name}`),
    })
  }

  const [{instance, name: found, pair}] = members
  const action = alone ? 'claim' : 'handover'
  const begin = performance.now()
  await askInstance(instance, found, {command: `pair-${action}`}, DEADLINE_MS)
  for (;;) {
    const now = (await failoverStatus(found)).members.find((member) => member.instance === instance)
    const durationMs = performance.now() - begin
    if (now !== undefined && (now.pair.role === 'owner') === alone) {
      const {role, epoch} = now.pair
      return {instance, name: found, action, role, epoch, flows: pair.flows, durationMs}
    }

    if (durationMs > HANDOVER_DEADLINE_MS) {
      throw new OverlayError(
        'DEADLINE_EXCEEDED',
        `the other server did not take over within ${HANDOVER_DEADLINE_MS} ms`,
      )
    }

    await sleep(10)
  }
}

export function renderFailoverStatus({members}: FailoverStatus): string {
  return textTable(
    [
      {title: 'member'},
      {title: 'role'},
      {title: 'epoch', align: 'right'},
      {title: 'link'},
      {title: 'connections', align: 'right'},
      {title: 'not held, bytes', align: 'right'},
      {title: 'journal, bytes', align: 'right'},
      {title: 'takeovers', align: 'right'},
      {title: 'last'},
    ],
    members.map(({instance, name, pair}) => [
      `${instance} ${name} (${pair.member})`,
      pair.solo ? `${pair.role}, alone` : pair.role,
      pair.epoch,
      `${pair.link} ${pair.peer}`,
      pair.flows,
      pair.outstandingBytes,
      `${pair.journalBytes} of ${pair.journalLimitBytes}`,
      pair.takeovers,
      lastTakeover(pair),
    ]),
  )
}

function lastTakeover({lastTakeover: last}: MemberStatus['pair']): string {
  if (last === null) return '-'
  return `${last.evidence}, ${last.flows} connections in ${last.durationMs.toFixed(1)} ms`
}

export function renderTakeover({instance, name, action, role, epoch, flows, durationMs}: TakeoverResult): string {
  const what = action === 'handover' ? `handed ${flows} connections over` : 'claimed the addresses'
  return `${instance} "${name}" ${what} in ${durationMs.toFixed(0)} ms; it is ${role} in epoch ${epoch}`
}
