import {expect} from 'chai'
import {existsSync, readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {analyse} from '../../../../src/lib/replay/analysis/analyse.js'

interface Expected {
  client: string
  server: string
  initialRttMs: number | null
}

/** Real traffic beside the checkout; not part of it. */
const CAPTURES = new URL('../../../../../shared/captures/', import.meta.url)
const MICROSECOND = 0.001

/** `2001:db8::1:80` as `[2001:db8::1]:80`. */
function bracketed(endpoint: string): string {
  return endpoint.replace(/^([^[]*:.*):(\d+)$/, '[$1]:$2')
}

describe('replay analysis of real traffic', () => {
  const list = new URL('expected-handshakes.json', CAPTURES)
  if (!existsSync(list)) {
    it('is passed over: there are no shared captures beside this checkout', () => {})
    return
  }

  for (const [name, expected] of Object.entries(JSON.parse(readFileSync(list, 'utf8')) as Record<string, Expected[]>)) {
    it(`finds the ${expected.length} handshakes of ${name}, to a microsecond`, async () => {
      const {connections, problems} = await analyse([fileURLToPath(new URL(name, CAPTURES))])
      expect(problems).to.deep.equal([])
      const putAway = await analyse([fileURLToPath(new URL(name, CAPTURES))], {ageSegments: 1})
      expect([...putAway.connections]).to.deep.equal([...connections])
      const found = [...connections].filter(({excluded}) => excluded === undefined)
      expect(found.map(({client, server}) => ({client, server}))).to.deep.equal(
        expected.map(({client, server}) => ({client: bracketed(client), server: bracketed(server)})),
      )
      for (const [index, {initialRttMs}] of expected.entries()) {
        const {handshakeRttMs, id} = found[index]
        if (initialRttMs === null) expect(handshakeRttMs, `connection ${id}`).to.equal(null)
        else expect(handshakeRttMs, `connection ${id}`).to.be.closeTo(initialRttMs, MICROSECOND)
      }
    })
  }
})
