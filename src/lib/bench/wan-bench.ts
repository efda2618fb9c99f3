import type {LabSpec} from '../lab/spec.js'
import {Contest, type Contestant, type Trial} from './contest.js'
import {MachineLoad} from './machine-load.js'
import {lessThan, ratio} from './ratio.js'
import {rotate} from './rotate.js'
import {Trials} from './trials.js'
import {WAN_REFERENCES, type WanBench, type WanCase, type WanPath} from './wan-schema.js'

/** A kind of middle leg. */
export interface Condition {
  rttMs: number
  lossPercent: number
}

export interface WanBenchOptions {
  conditions: readonly Condition[]
  /** Of a transfer, ascending. Those of the least length are also measured on first contact. */
  bytes: readonly number[]
  directions: readonly ('down' | 'up')[]
  paths: readonly WanPath[]
  rounds: number
  /** 10^6 bit/s of the middle leg, each way. */
  rateMbit: number
  /** Bytes that may wait at it. */
  queueBytes: number
  /** For every socket of every host. */
  congestionControl: string
  /** After so many ms no transfer begins. */
  limitMs: number
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

/** Of the links client-edge and gateway-origin. */
const OTHER_RTT_MS = 2
const MIDDLE = 'edge-gateway'
/** Beyond the middle leg's round trips, until nothing of a connection is under way any more. */
const CLOSING_MS = 50
/** A transfer is given up after this, and so many times what it takes at the full rate. */
const GIVE_UP_MS = 15_000
const GIVE_UP_TIMES = 10

interface WanTrial extends Trial {
  lost: number
  queueDrops: number
}

/** A case of the result, and where its trials gather. */
type Kind = Pick<WanCase, 'bytes' | 'contact' | 'direction' | 'lossPercent' | 'rttMs'> & {
  trials: Trials<WanTrial, WanPath, (typeof WAN_REFERENCES)[number]>
}

/**
 * Measures transfers of given lengths over a middle leg with delay, loss and a rate, each path in turn. Builds a lab and
 * removes it.
 *
 * @throws OverlayError of the lab
 */
export async function benchWan(options: WanBenchOptions): Promise<WanBench> {
  const {paths, rounds, rateMbit, queueBytes, congestionControl, limitMs, progress = () => {}} = options
  const kinds = kindsOf(options)
  const machine = new MachineLoad()
  progress('building the lab')
  const contest = await Contest.open(labOf(options), machine)
  try {
    const contestants: Contestant[] = []
    for (const name of paths) {
      progress(`starting ${name}`)
      const contestant = await contest.enter(name, {processes: 1, connections: 1})
      if (contestant) contestants.push(contestant)
    }

    progress('warming up')
    for (const {target} of contestants) {
      for (const direction of options.directions) {
        const order = {do: 'transfer' as const, ...target, direction, bytes: options.bytes[0], ms: GIVE_UP_MS}
        await contest.warm(order, 0)
      }
    }

    const roundsPlayed = await playRounds(contest, contestants, kinds, options, performance.now() + limitMs)
    return {
      bench: 'wan',
      congestionControl,
      otherRttMs: OTHER_RTT_MS,
      rateMbit,
      queueBytes,
      rounds,
      roundsPlayed,
      skipped: contest.skipped.filter((each): each is WanBench['skipped'][number] => each.name !== 'direct'),
      machine: machine.shares(),
      cases: kinds.map((kind) => caseOf(kind)),
    }
  } finally {
    progress('removing the lab')
    await contest.close()
  }
}

function labOf({conditions, rateMbit, queueBytes, congestionControl}: WanBenchOptions): LabSpec {
  const other = {rttMs: OTHER_RTT_MS}
  return {
    congestionControl,
    links: {
      'client-edge': other,
      [MIDDLE]: {rttMs: conditions[0].rttMs, rateMbit, queueBytes},
      'gateway-origin': other,
    },
  }
}

function kindsOf({conditions, bytes, directions}: WanBenchOptions): Kind[] {
  return conditions.flatMap((condition) =>
    bytes.flatMap((length, index) =>
      directions.flatMap((direction) =>
        (index === 0 ? (['first', 'later'] as const) : (['later'] as const)).map((contact) => ({
          ...condition,
          bytes: length,
          direction,
          contact,
          trials: new Trials<WanTrial, WanPath, 'haproxy'>(WAN_REFERENCES),
        })),
      ),
    ),
  )
}

/** @returns how many rounds were played to their end before the time was up */
async function playRounds(
  contest: Contest,
  contestants: readonly Contestant[],
  kinds: readonly Kind[],
  {rounds, rateMbit, progress = () => {}}: WanBenchOptions,
  until: number,
): Promise<number> {
  for (let turn = 0; turn < rounds; turn++) {
    for (const group of together(kinds)) {
      const [{rttMs, lossPercent}] = group
      await contest.stage.lab.setLink(MIDDLE, {rttMs, lossPercent})
      for (const contestant of rotate(contestants, turn)) {
        for (const kind of group) {
          if (performance.now() > until) return turn
          progress(`round ${turn + 1} of ${rounds}: ${wordsOf(kind)}, ${contestant.name}`)
          if (kind.contact === 'first') await contestant.forget()
          kind.trials.add(contestant.name as WanPath, await play(contest, contestant, kind, rateMbit, turn))
        }
      }
    }
  }

  return rounds
}

/** Kinds that follow each other over one path before the next path has its turn: first contact and what comes after it. */
function together(kinds: readonly Kind[]): Kind[][] {
  const groups: Kind[][] = []
  for (const kind of kinds) {
    const last = groups.at(-1)
    if (last?.at(-1)?.contact === 'first') last.push(kind)
    else groups.push([kind])
  }

  return groups
}

/** The same packets of each path's transfer are lost in a round, as far as the packets are the same. */
async function play(
  contest: Contest,
  contestant: Contestant,
  {rttMs, bytes, direction}: Kind,
  rateMbit: number,
  turn: number,
): Promise<WanTrial> {
  const {lab} = contest.stage
  await lab.setLink(MIDDLE, {seed: turn + 1})
  const before = await droppedBy(contest)
  const atFullRateMs = (bytes * 8) / rateMbit / 1000 + rttMs
  const ms = Math.ceil(GIVE_UP_MS + GIVE_UP_TIMES * atFullRateMs)
  const order = {do: 'transfer' as const, ...contestant.target, direction, bytes, ms}
  const trial = await contest.play(contestant, order, CLOSING_MS + 2 * rttMs)
  const after = await droppedBy(contest)
  return {...trial, lost: after.lost - before.lost, queueDrops: after.queueDrops - before.queueDrops}
}

async function droppedBy({stage}: Contest): Promise<{lost: number; queueDrops: number}> {
  const {towards} = await stage.lab.linkStats(MIDDLE)
  const both = Object.values(towards)
  return {
    lost: both.reduce((sum, {lost}) => sum + lost, 0),
    queueDrops: both.reduce((sum, {droppedByQueue}) => sum + droppedByQueue, 0),
  }
}

function caseOf({trials, ...kind}: Kind): WanCase {
  const paths = trials.results({
    ms: (trial) => whole(trial, ({outcome}) => outcome.ms),
    firstByteMs: (trial) => whole(trial, ({outcome}) => outcome.firstByteMs ?? null),
    lostPackets: (trial) => whole(trial, ({lost}) => lost),
    queueDrops: (trial) => whole(trial, ({queueDrops}) => queueDrops),
  })
  const rounds = (name: WanPath, quantity: 'firstByteMs' | 'ms'): (number | null)[] =>
    paths.find((path) => path.name === name)?.[quantity]?.rounds ?? []
  const sooner = (quantity: 'firstByteMs' | 'ms') => lessThan(rounds('zero-rtt', quantity), rounds('haproxy', quantity))
  const withoutHandshake = rounds('split', 'ms').map((ms) => (ms === null ? null : ms - kind.rttMs))
  return {
    ...kind,
    loadShare: trials.loadShare,
    paths,
    sooner: {ms: sooner('ms'), firstByteMs: sooner('firstByteMs')},
    toSplitAfterHandshake: ratio(rounds('zero-rtt', 'ms'), withoutHandshake),
  }
}

/** A transfer that failed has no times. */
function whole(trial: WanTrial, of: (trial: WanTrial) => number | null): number | null {
  return trial.outcome.failed > 0 ? null : of(trial)
}

const wordsOf = ({rttMs, lossPercent, bytes, direction, contact}: Kind): string =>
  `${rttMs} ms, ${lossPercent} % loss, ${bytes} bytes ${direction}, ${contact} contact`
