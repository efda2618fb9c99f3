import {parseEndpoint, type Endpoint} from '../wire/endpoint.js'
import type {Stage} from './handshake-stage.js'
import {ordinaryReplicationExchange, parseReplicationData} from './ordinary-replication.js'
import type {ProbeKeys} from './probe-keys.js'
import {
  askChallenge,
  replicationExchange,
  replicationFigures,
  replicationStage,
  whyUnmeasured,
} from './replication-stage.js'
import type {Replication} from './schema.js'

/** Whose acknowledgements are timed: a gateway's, of connections to this origin; or any target's, of this data. */
export type ReplicationQuestion =
  {opening: 'ordinary'; data: Buffer} | {opening: 'zero-rtt'; keys: ProbeKeys; origin: Endpoint}

/**
 * What the flags ask.
 *
 * @throws OverlayError USAGE
 */
export function replicationQuestion(
  keys: ProbeKeys | null,
  origin?: string,
  data?: string,
): ReplicationQuestion | null {
  if (data !== undefined) return {opening: 'ordinary', data: parseReplicationData(data)}
  if (origin === undefined || keys === null) return null
  return {opening: 'zero-rtt', keys, origin: parseEndpoint(origin, '--replication')}
}

/**
 * How much later than the path the target acknowledges data.
 *
 * @param unmeasured called with the reason when it returns null
 */
export async function measureReplication(
  stage: Stage,
  question: ReplicationQuestion,
  count: number,
  unmeasured: (why: string) => void,
): Promise<Replication | null> {
  const {opening} = question
  const challenge = opening === 'zero-rtt' ? await askChallenge(stage, question.keys) : null
  const outcomes = await replicationStage(stage, count, (flow) =>
    opening === 'zero-rtt'
      ? replicationExchange(flow, question.keys, stage, question.origin, challenge)
      : ordinaryReplicationExchange(flow, stage, question.data),
  )
  const figures = replicationFigures(opening, outcomes)
  if (figures === null && !stage.abandon.aborted) unmeasured(whyUnmeasured(opening, outcomes))
  return figures
}
