import {expect} from 'chai'
import {EventEmitter} from 'node:events'

import {watch} from '../../../src/lib/cli/watch.js'

// What a stream is.
// eslint-disable-next-line unicorn/prefer-event-target
class Output extends EventEmitter {
  readonly columns = 40
  readonly rows = 10
  text = ''

  constructor(readonly isTTY: boolean) {
    super()
  }

  write(text: string): boolean {
    this.text += text
    return true
  }
}

/** The second screen, and the first again. */
const ENTER = '\u001B[?1049h'
const LEAVE = '\u001B[?1049l'

interface Look {
  n: number
}

/** Looks until the count is reached, then the signal comes. */
async function watched(output: Output, looks: number, json = false, signal: NodeJS.Signals = 'SIGINT') {
  const rendered: [number, number | null][] = []
  let n = 0
  await watch<Look>(
    {
      intervalMs: 1,
      json,
      async take() {
        n++
        // The process is told, as by Ctrl-C, while the last look is being taken.
        if (n === looks) process.emit(signal)
        return {n}
      },
      render(result, previous) {
        rendered.push([result.n, previous?.n ?? null])
        return `look ${result.n}`
      },
    },
    output as unknown as NodeJS.WriteStream,
  )
  return rendered
}

function handlers(): number[] {
  return (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGTSTP'] as const).map((signal) => process.listenerCount(signal))
}

describe('watching', () => {
  let before: number[]

  beforeEach(() => {
    before = handlers()
  })

  afterEach(() => {
    expect(handlers(), 'signal handlers').to.deep.equal(before)
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`ends by ${signal} without an error`, async () => {
      const output = new Output(false)
      await watched(output, 3, false, signal)
      expect(output.text).to.equal('look 1\n\nlook 2\n\nlook 3\n')
    })
  }

  it('prints a line of JSON for each look', async () => {
    for (const terminal of [false, true]) {
      const output = new Output(terminal)
      await watched(output, 3, true)
      expect(output.text).to.equal('{"n":1}\n{"n":2}\n{"n":3}\n')
    }
  })

  it('tells each look which one came before', async () => {
    expect(await watched(new Output(false), 3)).to.deep.equal([
      [1, null],
      [2, 1],
      [3, 2],
    ])
  })

  it('gives a terminal back as it was', async () => {
    const output = new Output(true)
    await watched(output, 2)
    expect(output.text.startsWith(ENTER) && output.text.endsWith(LEAVE)).to.equal(true)
    expect(output.listenerCount('resize')).to.equal(0)
  })

  it('ends at once while a look is under way', async () => {
    const output = new Output(false)
    const begin = performance.now()
    await watch<Look>(
      {
        intervalMs: 1,
        json: false,
        take: (signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
            process.emit('SIGINT')
          }),
        render: () => '',
      },
      output as unknown as NodeJS.WriteStream,
    )
    expect(performance.now() - begin).to.be.lessThan(5000)
    expect(output.text).to.equal('')
  })

  it('throws what a look throws, the terminal given back before', async () => {
    const output = new Output(true)
    let n = 0
    const failing = watch<Look>(
      {
        intervalMs: 1,
        json: false,
        async take() {
          if (++n === 2) throw new Error('it is gone')
          return {n}
        },
        render: () => 'text',
      },
      output as unknown as NodeJS.WriteStream,
    )
    expect(await failing.catch((error: Error) => error.message)).to.equal('it is gone')
    expect(output.text.endsWith(LEAVE)).to.equal(true)
  })
})
