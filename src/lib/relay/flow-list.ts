import {askInstance} from './admin-client.js'
import {flowFilter} from './flow-filter.js'
import {sortFlows} from './flow-order.js'
import type {FlowsSummary} from './flow-query.js'
import type {Flow, FlowQuery, FlowsResult} from './flow-schema.js'
import type {RelayRole} from './run-directory.js'

/** How long a running instance may take for each part of its answer, ms: longer than it gives its processes. */
const DEADLINE_MS = 10_000

/**
 * The connections of a running edge or gateway, largest first.
 *
 * @param signal whoever asks does not want to know any more
 * @throws OverlayError NOT_RUNNING, DEADLINE_EXCEEDED; USAGE for a filter that cannot be read, NOT_FOUND for a service that
 * does not exist
 */
export async function listFlows(
  role: RelayRole,
  name: string,
  query: FlowQuery,
  signal?: AbortSignal,
): Promise<FlowsResult> {
  // Wrong words are told whether it runs or not.
  flowFilter(query.filter)
  const flows: Flow[] = []
  const part = (more: unknown): void => {
    flows.push(...(more as Flow[]))
  }

  const summary = await askInstance<FlowsSummary>(role, name, {command: 'flows', ...query}, DEADLINE_MS, {part, signal})
  // They have gone on since they were chosen.
  return {...summary, flows: sortFlows(flows, query.sort)}
}
