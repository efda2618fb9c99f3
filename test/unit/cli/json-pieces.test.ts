import {expect} from 'chai'
import fc from 'fast-check'
import {Writable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'

import {MadeList} from '../../../src/lib/cli/made-list.js'
import {jsonPieces} from '../../../src/lib/cli/json-pieces.js'
import {writeJson} from '../../../src/lib/cli/output.js'
import {DEFAULT_PARAMETERS} from '../../../src/lib/replay/model/parameters.js'
import {replayResult} from '../../../src/lib/replay/report/result.js'
import {exampleAnalysis} from '../replay/example.js'

/** A reader that takes one write at a time, and a moment for each. */
class SlowReader extends Writable {
  text = ''
  /** The most that was waiting at a time, bytes. */
  waiting = 0

  constructor() {
    super({highWaterMark: 1024})
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('latin1')
    this.waiting = Math.max(this.waiting, this.writableLength)
    sleep(1).then(done, done)
  }
}

describe('JSON in pieces', () => {
  it('is what JSON.stringify writes, of any object', () => {
    const object = fc.object({maxDepth: 4, withDate: true, withNullPrototype: true, withSparseArray: true})
    fc.assert(
      fc.property(object, (value) => {
        expect([...jsonPieces(value)].join('')).to.equal(JSON.stringify(value, null, 2))
      }),
      {numRuns: 1000},
    )
  })

  it('also of what has a toJSON of its own, of undefined, and of line feeds in texts', () => {
    const odd = {
      at: new Date(0),
      nothing: undefined,
      call: () => 1,
      list: [undefined, 'a\nb', [], {}, new Date(0)],
      own: {toJSON: () => [1, 2]},
    }
    for (const value of [odd, {}, [], {toJSON: () => ({a: [1]})}, [odd], {nothing: undefined}]) {
      expect([...jsonPieces(value)].join('')).to.equal(JSON.stringify(value, null, 2))
    }
  })

  it('of a capture is the same too, and waits for its reader', async () => {
    const {connections, ...rest} = replayResult(exampleAnalysis(), DEFAULT_PARAMETERS, null)
    const result = {...rest, connections: new MadeList(2440, (index) => connections.at(index % 61))}
    const reader = new SlowReader()
    await writeJson(result, reader)
    reader.end()
    await new Promise((resolve) => reader.once('finish', resolve))
    expect(reader.text).to.equal(JSON.stringify(result, null, 2) + '\n')
    expect(reader.text.length).to.be.above(1_000_000)
    // One write is on its way, and no second one is made before it is taken.
    expect(reader.waiting).to.be.below(100_000)
  })
})
