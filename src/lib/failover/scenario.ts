import {z} from 'zod'

import {problemError, readYaml} from '../config/config-file.js'
import {parseDuration} from '../config/duration.js'

/** What a scenario file says (docs/FAILOVER.md). Times in ms, sizes in bytes. */

const duration = z.string().transform((text, context) => {
  try {
    return parseDuration(text, 'value')
  } catch (error) {
    context.addIssue({code: 'custom', message: (error as Error).message.replace(/^value: /, '')})
    return z.NEVER
  }
})

/** `1s`, or `[500ms, 2s]` for a moment between the two that the seed chooses. */
const moment = z.union([
  duration.transform((at): [number, number] => [at, at]),
  z.tuple([duration, duration]).refine(([low, high]) => low <= high, 'the first is later than the second'),
])

const region = z.enum(['edge', 'gateway'])
const links = ['client-edge', 'edge-gateway', 'gateway-origin', 'edge-replication', 'gateway-replication'] as const
const link = z.enum(links)
const percent = z.number().min(0).max(100)
const ms = z.number().min(0).max(10_000)
const version = z.int().min(1).max(65_535)

/** A member by what it is at that moment, or by its name. */
export const TARGETS = [
  'edge.primary',
  'edge.backup',
  'gateway.primary',
  'gateway.backup',
  'edge-a',
  'edge-b',
  'gateway-a',
  'gateway-b',
] as const

const target = z.enum(TARGETS)
/** at: since the load began; after: since the step before it in the file was over. One of the two. */
const at = {at: moment.optional(), after: moment.optional()}

const step = z.discriminatedUnion('do', [
  /** process: only the relay process, which its supervisor starts again; else everything of the member. */
  z.strictObject({...at, do: z.literal('kill'), target, process: z.boolean().optional()}),
  z.strictObject({...at, do: z.literal('pause'), target}),
  /** Without a target: everything that was paused. */
  z.strictObject({...at, do: z.literal('resume'), target: target.optional()}),
  /** All interfaces of a member. */
  z.strictObject({...at, do: z.literal('linkDown'), target}),
  z.strictObject({...at, do: z.literal('linkUp'), target: target.optional()}),
  /** towards: one way alone, packets towards that side of the link. */
  z.strictObject({...at, do: z.literal('partition'), link, towards: z.string().optional()}),
  z.strictObject({...at, do: z.literal('heal'), link}),
  z.strictObject({...at, do: z.literal('loss'), link, percent, towards: z.string().optional()}),
  z.strictObject({...at, do: z.literal('delay'), link, ms, towards: z.string().optional()}),
  z.strictObject({...at, do: z.literal('reorder'), link, percent, towards: z.string().optional()}),
  z.strictObject({...at, do: z.literal('duplicate'), link, percent, towards: z.string().optional()}),
  /** The member's time of day jumps. */
  z.strictObject({...at, do: z.literal('clockShift'), target, seconds: z.int().min(-86_400).max(86_400)}),
  /** Nothing more can be written where the member keeps its files. */
  z.strictObject({...at, do: z.literal('fillDisk'), target}),
  z.strictObject({...at, do: z.literal('freeDisk'), target: target.optional()}),
  /** The member is killed and started as one that speaks these versions of the replication protocol. */
  z.strictObject({...at, do: z.literal('versionSkew'), target, lowest: version, highest: version}),
  z.strictObject({...at, do: z.literal('takeover'), target: z.enum(['edge.primary', 'gateway.primary'])}),
  /** Starts what was killed. */
  z.strictObject({...at, do: z.literal('restart'), target: target.optional()}),
  /** etcd answers nobody, until it does again. */
  z.strictObject({...at, do: z.literal('etcdStop')}),
  z.strictObject({...at, do: z.literal('etcdResume')}),
  /** Waits until every pair has an owner and a backup that holds everything. */
  z.strictObject({...at, do: z.literal('awaitPaired')}),
])

export type Step = z.output<typeof step>

const load = z.strictObject({
  /** Connections at a time; one that ends is followed by another until the steps are over. */
  flows: z.int().min(1).max(500),
  /** From client to origin, and back. */
  up: z.int().min(0).max(1_073_741_824),
  down: z.int().min(0).max(1_073_741_824),
  /** The origin's first bytes come before the client's. */
  serverFirst: z.boolean().default(false),
  /** Who closes its direction as soon as it has sent everything; else both when all has come. */
  halfClose: z.enum(['client', 'server', 'none']).default('none'),
  /** In the middle of what the client sends, nothing is sent for so long. */
  idle: duration.optional(),
  /** What the client reads at most, bytes/s. */
  readRate: z.int().min(1000).optional(),
  /** Between the end of one connection and the next, on average: half as long to half as long again. */
  think: duration.optional(),
})

export type LoadGroup = z.output<typeof load>

export const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[\da-z][\da-z-]{0,63}$/, 'not 1 to 64 of a-z, 0-9 and dashes'),
  description: z.string().max(500),
  topology: z
    .strictObject({
      pairs: z.array(region).default([]),
      family: z.enum(['ipv4', 'ipv6']).default('ipv4'),
      /** Of each of the three links of the path. */
      rttMs: ms.default(20),
      /** Round trip of the replication links. */
      replicationAckMs: ms.default(0),
      /** bridge: as fast as the machine, without round trips, and links cannot be disturbed. */
      linkEngine: z.enum(['auto', 'bridge']).default('auto'),
      onBackupLoss: z.enum(['solo', 'stall']).default('solo'),
      /** Bytes of a backup's journals. */
      journalLimit: z.int().min(1_048_576).optional(),
      lease: duration.optional(),
      takeover: duration.optional(),
      /** Who decides which server owns the addresses: the two between themselves, or an etcd that is started for it. */
      coordination: z.enum(['static', 'etcd']).default('static'),
    })
    .refine(
      ({linkEngine, rttMs, replicationAckMs}) => linkEngine === 'auto' || rttMs + replicationAckMs === 0,
      'linkEngine: bridge takes no round trips: set rttMs and replicationAckMs to 0',
    )
    .prefault({}),
  load: z.array(load).min(1).max(16),
  steps: z
    .array(
      step.refine(({at, after}) => (at === undefined) !== (after === undefined), {
        error: 'needs one of at and after',
        path: ['at'],
      }),
    )
    .max(64),
  /** Load goes on for so long after the last step. */
  settle: duration.prefault('1s'),
  /** Connections that are open then must end within this time. */
  drain: duration.prefault('30s'),
  expect: z
    .strictObject({
      /** Takeovers of all members together. */
      takeovers: z.int().min(0).optional(),
      gapP50Ms: z.number().min(0).optional(),
      gapP99Ms: z.number().min(0).optional(),
      gapMaxMs: z.number().min(0).optional(),
      pauseMaxMs: z.number().min(0).optional(),
      /** Connections that may be reset: those of a server that was alone when it died. */
      reset: z.int().min(0).default(0),
      singleOwner: z.boolean().default(true),
      /** Every pair has an owner and a backup that holds everything in the end. */
      paired: z.boolean().default(true),
    })
    .prefault({}),
})

export type Scenario = z.output<typeof scenarioSchema>

/**
 * Reads a scenario file.
 *
 * @throws OverlayError CONFIG_INVALID naming the first problem with its line
 */
export function readScenario(path: string): Scenario {
  const {config, problems} = readYaml(path, 'scenario', scenarioSchema)
  if (config === null) throw problemError(path, problems)
  return config
}
