import type {RunResult} from './verdict.js'

/** Characters that XML 1.0 wants escaped in text and attributes. */
const ESCAPES: Record<string, string> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;'}

const escape = (text: string): string => text.replaceAll(/["&'<>]/g, (character) => ESCAPES[character])

/** Runs as a JUnit report: a suite for each, a case for each check; an inconclusive run is skipped, not passed. */
export function junitReport(results: readonly RunResult[]): string {
  const suites = results.map((result) => {
    const failures = result.checks.filter(({pass}) => !pass).length
    const inconclusive = result.verdict === 'inconclusive'
    const cases = result.checks.map(({name, expected, actual, pass, kind}) => {
      const head = `    <testcase classname="${escape(`${result.scenario}.${kind}`)}" name="${escape(name)}"`
      if (pass) return `${head}/>`
      return `${head}>\n      <failure message="${escape(`expected ${expected}, got ${actual}`)}"/>\n    </testcase>`
    })
    if (inconclusive) {
      cases.push(
        `    <testcase classname="${escape(result.scenario)}" name="conclusive">\n      <skipped message="a fault had no effect, or no connection was open"/>\n    </testcase>`,
      )
    }

    return [
      `  <testsuite name="${escape(`${result.scenario} seed ${result.seed}`)}" tests="${cases.length}" failures="${failures}" skipped="${inconclusive ? 1 : 0}">`,
      ...cases,
      '  </testsuite>',
    ].join('\n')
  })
  return ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites>', ...suites, '</testsuites>', ''].join('\n')
}
