import {expect} from 'chai'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {parse} from 'yaml'

import {CATALOGUE, seriesOf, type MetricDefinition, type MetricName} from '../../../src/lib/metrics/catalogue.js'
import {metricsPage} from '../../support/metrics-page.js'
import {hasPromtool, promtool} from '../../support/promtool.js'

const place = (name: string): string => fileURLToPath(new URL(`../../../examples/monitoring/${name}`, import.meta.url))
const SERIES = new Set((Object.keys(CATALOGUE) as MetricName[]).flatMap((name) => seriesOf(name)))
const LABELS = new Map(
  Object.entries(CATALOGUE).map(([name, {labels}]: [string, MetricDefinition]) => [name, labels] as const),
)

/** Every string under a key of that name, however deep. */
function stringsUnder(key: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, child]) =>
    name === key && typeof child === 'string' ? [child] : stringsUnder(key, child),
  )
}

function checkExpressions(expressions: readonly string[]): void {
  for (const expression of expressions) {
    const named = expression.match(/overlay_\w+/g) ?? []
    expect(named, expression).to.not.have.lengthOf(0)
    for (const name of named) expect(SERIES, `${name} in ${expression}`).to.include(name)
    for (const [, name, selectors] of expression.matchAll(/(overlay_\w+)\{([^}]*)\}/g)) {
      const known = LABELS.get(name.replace(/_(bucket|sum|count)$/, '')) ?? LABELS.get(name) ?? []
      for (const [, label] of selectors.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)) {
        expect(['job', 'instance', ...known], `${label} in ${expression}`).to.include(label)
      }
    }
  }
}

describe('docs/METRICS.md', () => {
  it('has every metric, as the catalogue has it', () => {
    const {committed, fresh} = metricsPage()
    expect(committed, 'run "npm run docs:metrics" and commit the page').to.equal(fresh)
  })
})

describe('the catalogue of metrics', () => {
  it('keeps to the conventions for names and units', () => {
    for (const [name, {type, help}] of Object.entries(CATALOGUE)) {
      expect(name).to.match(/^overlay_[a-z_]+[a-z]$/)
      expect(name.endsWith('_total'), name).to.equal(type === 'counter')
      if (type === 'histogram') expect(name).to.match(/_seconds$/)
      expect(name).to.not.match(/_(ms|milliseconds|kb|percent)\b/)
      expect(help).to.match(/[.…]$/)
    }
  })
})

describe('examples/monitoring', () => {
  it('has alert rules over metrics and labels that exist', () => {
    const rules = parse(readFileSync(place('alerts.yml'), 'utf8')) as unknown
    const expressions = stringsUnder('expr', rules)
    expect(expressions.length).to.be.above(10)
    checkExpressions(expressions)
  })

  it('has alert rules that promtool takes', function () {
    if (!hasPromtool()) this.skip()
    expect(promtool(['check', 'rules', '--lint-fatal', place('alerts.yml')])).to.equal(null)
  })

  it('has a Grafana dashboard over metrics and labels that exist', () => {
    const dashboard = JSON.parse(readFileSync(place('grafana-dashboard.json'), 'utf8')) as {
      panels: {id: number; title: string}[]
    }
    const expressions = stringsUnder('expr', dashboard)
    expect(expressions.length).to.be.at.least(dashboard.panels.length)
    checkExpressions(expressions)
    expect(new Set(dashboard.panels.map(({id}) => id)).size).to.equal(dashboard.panels.length)
    expect(stringsUnder('query', dashboard)).to.include('label_values(overlay_info, job)')
  })
})
