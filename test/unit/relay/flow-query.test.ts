import {expect} from 'chai'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {checkService, flowQuery, FlowQueries, type FlowProcess} from '../../../src/lib/relay/flow-query.js'
import type {Flow, FlowQuery, FlowsPart} from '../../../src/lib/relay/flow-schema.js'
import {examplePart} from './example-flow.js'

const QUERY: FlowQuery = {sort: 'bytes', limit: 100, filter: {}}

/** A relay process that answers with these parts; an error where one is null. */
function answering(pid: number, ...parts: (FlowsPart | null)[]): FlowProcess {
  const next = async (): Promise<FlowsPart> => {
    const part = parts.shift()
    if (!part) throw new OverlayError('DEADLINE_EXCEEDED', 'no answer')
    return part
  }

  return {pid, flows: next, moreFlows: next}
}

async function ask(processes: FlowProcess[], query = QUERY) {
  const handed: Flow[][] = []
  const hand = async (flows: Flow[]): Promise<void> => {
    handed.push(flows)
  }

  const summary = await new FlowQueries(() => processes).answer(query, hand)
  return {summary, handed, keys: handed.flat().map(({bytes}) => bytes.fromClient)}
}

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return (error as OverlayError).code
  }

  return 'nothing was thrown'
}

describe('a question for flows', () => {
  it('joins the answers of several processes in order', async () => {
    const first = answering(1, examplePart([90, 50, 10], {open: 7, matched: 3}))
    const second = answering(2, examplePart([80, 60]), examplePart([99]))
    const {summary, keys} = await ask([first, second])
    expect(keys).to.deep.equal([90, 80, 60, 50, 10])
    expect(summary).to.deep.include({open: 9, matched: 5, omitted: 0, silent: [], sort: 'bytes', pair: null})
  })

  it('asks a process for more only when its part is used up', async () => {
    const first = answering(1, examplePart([9, 8], {more: true}), examplePart([7, 1]))
    const second = answering(2, examplePart([5]))
    expect((await ask([first, second])).keys).to.deep.equal([9, 8, 7, 5, 1])
  })

  it('hands on 64 at a time', async () => {
    const keys = Array.from({length: 150}, (_, index) => 150 - index)
    const {handed} = await ask([answering(1, examplePart(keys))], {...QUERY, limit: 140})
    expect(handed.map(({length}) => length)).to.deep.equal([64, 64, 12])
  })

  it('stops at the limit, and says how many are left out; what has ended meanwhile is not', async () => {
    const part = examplePart([5, 4, 3], {matched: 6, gone: 1})
    const {summary, keys} = await ask([answering(1, part)], {...QUERY, limit: 2})
    expect(keys).to.deep.equal([5, 4])
    expect(summary).to.include({matched: 6, omitted: 3})
  })

  it('names the process that does not answer, or stops to, and shows the rest', async () => {
    const stuck = answering(1, null)
    const stopping = answering(2, examplePart([8], {more: true}), null)
    const {summary, keys} = await ask([stuck, stopping, answering(3, examplePart([9, 7]))])
    expect(keys).to.deep.equal([9, 8, 7])
    expect(summary.silent).to.deep.equal([1, 2])
  })

  it('answers one question after the other, also after one that failed', async () => {
    let busy = 0
    const one: FlowProcess = {
      pid: 1,
      async flows() {
        expect(busy++, 'questions under way').to.equal(0)
        await new Promise((resolve) => setTimeout(resolve, 5))
        busy--
        return examplePart([1])
      },
      moreFlows: async () => null,
    }
    const queries = new FlowQueries(() => [one])
    const gone = queries.answer(QUERY, async () => {
      throw new Error('nobody reads')
    })
    const read = queries.answer(QUERY, async () => {})
    expect(await gone.catch((error: Error) => error.message)).to.equal('nobody reads')
    expect(await read).to.include({matched: 1})
  })

  it('that is malformed is refused with what is wrong', () => {
    const bad: [object, RegExp][] = [
      [{command: 'flows'}, /sort/],
      [{command: 'flows', ...QUERY, limit: 10_001}, /limit/],
      [{command: 'flows', ...QUERY, limit: 1.5}, /limit/],
      [{command: 'flows', ...QUERY, sort: 'size'}, /sort/],
      [{command: 'flows', ...QUERY, filter: {colour: 'red'}}, /colour/],
      [{command: 'flows', ...QUERY, filter: {client: 'me'}}, /--client: "me"/],
      [{command: 'flows', ...QUERY, filter: {service: ''}}, /--service/],
      [{command: 'flows', ...QUERY, filter: {flow: 7}}, /flow/],
      [{command: 'flows', ...QUERY, more: 1}, /more/],
    ]
    for (const [request, named] of bad) {
      expect(
        codeOf(() => flowQuery(request)),
        JSON.stringify(request),
      ).to.equal('USAGE')
      expect(() => flowQuery(request)).to.throw(named)
    }

    expect(flowQuery({command: 'flows', ...QUERY})).to.deep.equal(QUERY)
  })

  it('for a service that does not exist is refused with the nearest', () => {
    expect(codeOf(() => checkService('edge "a"', 'wb', ['web', 'mail']))).to.equal('NOT_FOUND')
    try {
      checkService('edge "a"', 'wb', ['web', 'mail'])
    } catch (error) {
      expect((error as OverlayError).suggestions).to.deep.equal(['--service web'])
    }

    checkService('edge "a"', 'web', ['web'])
    checkService('edge "a"', undefined, [])
  })
})
