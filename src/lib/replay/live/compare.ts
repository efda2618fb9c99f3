import {round} from '../../bench/percentiles.js'
import {distributionOf, type Distribution} from '../model/distribution.js'
import type {ConversationTimes} from '../model/conversation.js'
import type {ModelPath} from '../model/opening.js'
import type {LiveResult, LiveRow, LiveTimes} from './schema.js'

/** How far a measured saving may be from the modelled one: the greater of the two. */
export const TOLERANCE_MS = 2
export const TOLERANCE_SHARE = 0.03

/** Times of one connection over one path, measured or modelled. */
export type Times = Omit<ConversationTimes, 'waited'>

/** One connection over one path. */
export interface Sample {
  connection: number
  measured: Times
  modelled: Times
}

/** Everything that was played over one path. */
export interface PathSamples {
  path: ModelPath
  replicationAckMs: number | null
  /** Small conversations over the same path with links without delay, where the model has nothing but zeros. */
  atRest: Times[]
  samples: Sample[]
  errors: string[]
}

/** Measured beside modelled, path by path. @param all direct among them */
export function compareRows(all: readonly PathSamples[]): LiveRow[] {
  const direct = all.find(({path}) => path === 'direct')
  return all.map((each) => {
    const {path, replicationAckMs, samples, errors} = each
    const handshake = path === 'direct' ? null : saved(each, direct, (times) => times.handshakeMs)
    const unexplained = handshake?.unexplainedMs
    return {
      path,
      replicationAckMs,
      played: samples.length + errors.length,
      failed: errors.length,
      errorMessages: [...new Set(errors)],
      measured: timesOf(samples.map(({measured}) => measured)),
      modelled: timesOf(samples.map(({modelled}) => modelled)),
      handshakeSavedMs: handshake,
      firstByteSavedMs: path === 'direct' ? null : saved(each, direct, (times) => times.firstByteMs),
      agrees: !handshake?.modelled || !unexplained ? null : within(unexplained.p50, handshake.modelled.p50),
    }
  })
}

/** Whether a difference is small enough beside what was modelled. */
export function within(differenceMs: number, modelledMs: number): boolean {
  return Math.abs(differenceMs) <= Math.max(TOLERANCE_MS, TOLERANCE_SHARE * Math.abs(modelledMs))
}

/** What a handshake takes beside round trips; see the schema. */
export function explain(all: readonly PathSamples[]): LiveResult['explained'] {
  const atRest = (path: ModelPath, paired: boolean): number | null =>
    restingMs(
      all.find((each) => each.path === path && (each.replicationAckMs !== null) === paired),
      (times) => times.handshakeMs,
    )
  const direct = atRest('direct', false)
  const zeroRtt = atRest('zero-rtt', false)
  const pair = atRest('zero-rtt', true)
  return {directMs: direct, relaysMs: less(zeroRtt, direct), pairMs: less(pair, zeroRtt)}
}

type TimeOf = (times: Times) => number | null

function saved(
  {samples, ...path}: PathSamples,
  direct: PathSamples | undefined,
  of: TimeOf,
): NonNullable<LiveRow['handshakeSavedMs']> {
  const directly = new Map(direct?.samples.map((sample) => [sample.connection, sample]))
  const pairs = samples.flatMap(({connection, measured, modelled}) => {
    const base = directly.get(connection)
    if (!base) return []
    const measuredSaved = less(of(base.measured), of(measured))
    const modelledSaved = less(of(base.modelled), of(modelled))
    return measuredSaved === null || modelledSaved === null ? [] : [{measuredSaved, modelledSaved}]
  })
  const differences = pairs.map(({measuredSaved, modelledSaved}) => measuredSaved - modelledSaved)
  const programsMs = less(restingMs(direct, of), restingMs(path, of))
  return {
    measured: distributionOf(pairs.map(({measuredSaved}) => measuredSaved)),
    modelled: distributionOf(pairs.map(({modelledSaved}) => modelledSaved)),
    differenceMs: distributionOf(differences),
    programsMs,
    unexplainedMs: programsMs === null ? null : distributionOf(differences.map((ms) => ms - programsMs)),
  }
}

/** Median over the conversations at rest. */
function restingMs(path: Pick<PathSamples, 'atRest'> | undefined, of: TimeOf): number | null {
  const known = path?.atRest.flatMap((times) => of(times) ?? [])
  return known === undefined ? null : median(known)
}

function timesOf(times: readonly Times[]): LiveTimes {
  const of = (key: keyof Times): Distribution | null =>
    distributionOf(
      times.flatMap((each) => {
        const value = each[key]
        return value === null ? [] : [value]
      }),
    )
  return {
    connectMs: of('connectMs'),
    handshakeMs: of('handshakeMs'),
    firstByteMs: of('firstByteMs'),
    completedMs: of('completedMs'),
  }
}

function less(from: number | null, what: number | null): number | null {
  return from === null || what === null ? null : round(from - what)
}

function median(values: readonly number[]): number | null {
  return distributionOf(values)?.p50 ?? null
}
