import {expect} from 'chai'
import fc from 'fast-check'

import type {ReplayConnection} from '../../../../src/lib/replay/connection.js'
import {ServerNames} from '../../../../src/lib/replay/model/server-names.js'
import {DEFAULT_PARAMETERS} from '../../../../src/lib/replay/model/parameters.js'
import {Ranking, rankedConnection} from '../../../../src/lib/replay/report/ranking.js'
import {ScratchSpace} from '../../../../src/lib/replay/spill/scratch-space.js'
import {capturedConnection} from '../captured-connection.js'

const MOST = 6
/** Few different round trips, so that many connections save the same. */
const connections = fc.array(fc.tuple(fc.nat(5), fc.constantFrom('answered', 'silent', 'refused')), {maxLength: 30})

const captured = ([rtt, kind]: readonly [number, string], index: number): ReplayConnection =>
  capturedConnection({
    id: index + 1,
    serverRttMs: rtt * 10,
    clientRttMs: 1,
    refused: kind === 'refused',
    ...(kind === 'silent' && {turns: []}),
  })

const ids = (ranked: {captured: ReplayConnection}[]): number[] => ranked.map(({captured: {id}}) => id)

describe('the ranking of connections', () => {
  it('has both ends and the middle of what sorting all of them gives', () => {
    fc.assert(
      fc.property(connections, (rows) => {
        const all = rows.map((row, index) => captured(row, index))
        const sorted = all
          .flatMap((connection) => rankedConnection(connection, DEFAULT_PARAMETERS) ?? [])
          .sort((a, b) => b.handshakeSavedMs - a.handshakeSavedMs)
        const ranking = new Ranking(all, DEFAULT_PARAMETERS, MOST)
        expect(ranking.length).to.equal(sorted.length)
        expect(ids(ranking.ends(MOST))).to.deep.equal(
          ids(sorted.length <= MOST ? sorted : [...sorted.slice(0, MOST / 2), ...sorted.slice(-MOST / 2)]),
        )
        const answered = sorted.filter(({firstByteSavedMs}) => firstByteSavedMs !== null)
        const choice = answered.length > 0 ? answered : sorted
        expect(ranking.typical()?.captured.id).to.equal(choice[Math.floor(choice.length / 2)]?.captured.id)
      }),
    )
  })
})

const name = (index: number): string =>
  index % 2 === 0
    ? `10.0.${index >> 8}.${index & 255}:443`
    : `[2001:db8:85a3:1234:5678:8a2e:370:${index.toString(16)}]:65535`

describe('the numbers of servers', () => {
  it('are given once for each name, however many there are', () => {
    const names = new ServerNames(new ScratchSpace())
    const wrong: number[] = []
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 30_000; index++) if (names.numberOf(name(index)) !== index) wrong.push(index)
    }

    for (let index = 0; index < 30_000; index++) if (names.at(index) !== name(index)) wrong.push(index)
    expect(wrong).to.deep.equal([])
    expect(names.length).to.equal(30_000)
  })
})
