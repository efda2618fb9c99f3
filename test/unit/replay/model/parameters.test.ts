import {expect} from 'chai'

import {OverlayError} from '../../../../src/lib/errors/index.js'
import {
  DEFAULT_PARAMETERS,
  modelParametersSchema,
  parseLatencies,
  parseLegs,
} from '../../../../src/lib/replay/model/parameters.js'

function failure(work: () => unknown): OverlayError {
  try {
    work()
  } catch (error) {
    expect(error).to.be.instanceOf(OverlayError)
    return error as OverlayError
  }

  throw new Error('it did not fail')
}

describe('the model’s parameters', () => {
  it('the defaults fit the schema', () => {
    modelParametersSchema.parse(DEFAULT_PARAMETERS)
  })

  it('legs are three numbers', () => {
    expect(parseLegs('10,80,2', 'absolute', '--legs')).to.deep.equal({
      kind: 'absolute',
      clientEdge: 10,
      edgeGateway: 80,
      gatewayOrigin: 2,
    })
    expect(parseLegs(' .1, 0.88,0.02', 'shares', '--leg-shares')).to.include({kind: 'shares', clientEdge: 0.1})
  })

  it('others are refused by flag and value', () => {
    for (const [text, words] of [
      ['10,80', /three numbers are needed, not 2/],
      ['10,80,2,4', /not 4/],
      ['10,eighty,2', /eighty is not a number/],
      ['10,-80,2', /-80 is not a number/],
      ['10,,2', /an empty word/],
      ['10,1e9,2', /1e9 is not a number/],
      ['10,Infinity,2', /Infinity is not a number/],
      ['10,120001,2', /120001 is not a number from 0 to 120000/],
    ] as const) {
      const error = failure(() => parseLegs(text, 'absolute', '--legs'))
      expect(error).to.include({code: 'USAGE'})
      expect(error.message).to.match(words).and.contain('--legs')
    }
  })

  it('shares add up to 1', () => {
    const error = failure(() => parseLegs('0.5,0.4,0.2', 'shares', '--leg-shares'))
    expect(error.message).to.contain('add up to 1.1, not 1')
    expect(error.suggestions.join(' ')).to.contain('--path-stretch')
  })

  it('latencies are sorted, each once', () => {
    expect(parseLatencies('5,0,0.5,5', '--replication-ack')).to.deep.equal([0, 0.5, 5])
    expect(failure(() => parseLatencies('', '--replication-ack')).code).to.equal('USAGE')
  })
})
