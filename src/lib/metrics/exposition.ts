import {Registry, type Metric} from 'prom-client'

import {CATALOGUE, type MetricName} from './catalogue.js'
import type {Sample} from './sample.js'

/** Of the text format, version 0.0.4. */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

/** The samples in Prometheus' text format, in the order of the catalogue; metrics without a sample are left out. */
export async function exposition(samples: readonly Sample[]): Promise<string> {
  const byMetric = new Map<MetricName, Sample[]>()
  for (const each of samples) {
    const list = byMetric.get(each.metric)
    if (list) list.push(each)
    else byMetric.set(each.metric, [each])
  }

  const registry = new Registry()
  for (const name of Object.keys(CATALOGUE) as MetricName[]) {
    const own = byMetric.get(name)
    if (own) registry.registerMetric(collected(name, own))
  }

  return registry.metrics()
}

/** What prom-client prints: its own classes count, and we have counted already. */
function collected(name: MetricName, samples: readonly Sample[]): Metric {
  const {type, help} = CATALOGUE[name]
  const values = samples.map(({suffix, labels, value}) => ({
    labels,
    value,
    ...(suffix && {metricName: name + suffix}),
  }))
  return {name, help, type, get: async () => ({name, help, type, aggregator: 'sum', values})} as unknown as Metric
}
