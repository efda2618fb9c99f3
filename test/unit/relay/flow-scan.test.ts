import {expect} from 'chai'

import type {Pollable} from '../../../src/lib/relay/epoll-loop.js'
import {FlowScan, type FlowSource} from '../../../src/lib/relay/flow-scan.js'
import type {FlowQuery, FlowsPart} from '../../../src/lib/relay/flow-schema.js'
import {TimerWheel} from '../../../src/lib/relay/timer-wheel.js'
import {exampleFlow} from './example-flow.js'

interface Fake {
  bytes: number
  generation: number | undefined
}

/** A clock that every look at a connection moves on, and a loop that calls when it is told to. */
class Stage implements FlowSource<Fake> {
  now = 0
  turns = 0
  readonly timers = new TimerWheel(0)
  readonly connections: Fake[]
  /** The longest that one turn took. */
  longest = 0
  private due: Pollable[] = []

  constructor(
    bytes: number[],
    private readonly costMs = 0.01,
  ) {
    this.connections = bytes.map((each, index) => ({bytes: each, generation: index + 1}))
  }

  soon(pollable: Pollable): void {
    this.due.push(pollable)
  }

  run(): void {
    while (this.due.length > 0) {
      const begin = this.now
      this.turns++
      this.due.shift()!.onTurn()
      this.longest = Math.max(this.longest, this.now - begin)
    }
  }

  scan(given: Partial<FlowQuery> = {}, matches: (connection: Fake) => boolean = () => true) {
    const query: FlowQuery = {sort: 'bytes', limit: 10, filter: {}, ...given}
    const answer = {ready: 0}
    const scan = new FlowScan<Fake>(
      this,
      this,
      query,
      matches,
      () => answer.ready++,
      () => this.now,
    )
    return {scan, answer}
  }

  open(): Fake[] {
    return [...this.connections]
  }

  generation({generation}: Fake): number | undefined {
    this.now += this.costMs
    return generation
  }

  key({bytes}: Fake): number {
    return bytes
  }

  describe({bytes}: Fake) {
    this.now += this.costMs
    return exampleFlow({bytes: {fromClient: bytes, toClient: 0}})
  }

  pair(): null {
    return null
  }
}

function allOf(scan: FlowScan<Fake>): {parts: FlowsPart[]; bytes: number[]} {
  const parts = [scan.part()]
  while (parts.at(-1)!.more) parts.push(scan.part())
  return {parts, bytes: parts.flatMap(({flows}) => flows.map((flow) => flow.bytes.fromClient))}
}

describe('a look at all connections', () => {
  it('finds the largest, and says how many there are', () => {
    const stage = new Stage([5, 1, 9, 7, 3])
    const {scan, answer} = stage.scan({limit: 2})
    stage.run()
    expect(answer.ready).to.equal(1)
    const {parts, bytes} = allOf(scan)
    expect(bytes).to.deep.equal([9, 7])
    expect(parts[0]).to.include({open: 5, matched: 5, gone: 0, more: true})
    expect(parts[1]).to.deep.include({flows: [], keys: [], more: false})
    expect(parts[0].keys).to.deep.equal([9, 7])
  })

  it('takes a millisecond at a stretch and sixteen steps, however many there are', () => {
    const stage = new Stage(Array.from({length: 10_000}, (_, index) => index))
    const {scan, answer} = stage.scan({limit: 1000})
    stage.run()
    expect(answer.ready).to.equal(1)
    // 10,000 looks of 0.01 ms: some hundred turns, each no longer than its slice and what it had begun.
    expect(stage.turns).to.be.within(80, 130)
    expect(stage.longest).to.be.at.most(1 + 16 * 0.01 + 1e-9)
    const {parts, bytes} = allOf(scan)
    expect(bytes).to.deep.equal(Array.from({length: 1000}, (_, index) => 9999 - index))
    expect(Math.max(...parts.map(({flows}) => flows.length))).to.equal(32)
    expect(parts[0].pauseMs).to.be.closeTo(stage.longest, 1e-9)
    scan.kept(7)
    expect(scan.part().pauseMs).to.equal(7)
  })

  it('leaves out what does not match', () => {
    const stage = new Stage([1, 2, 3, 4])
    const {scan} = stage.scan({}, ({bytes}) => bytes % 2 === 0)
    stage.run()
    const {parts, bytes} = allOf(scan)
    expect(bytes).to.deep.equal([4, 2])
    expect(parts[0]).to.include({open: 4, matched: 2})
  })

  it('leaves out what has ended, or whose object has another connection by now', () => {
    const stage = new Stage([1, 2, 3, 4])
    const {scan} = stage.scan()
    stage.run()
    stage.connections[3].generation = undefined
    stage.connections[1].generation = 99
    const {parts, bytes} = allOf(scan)
    expect(bytes).to.deep.equal([3, 1])
    expect(parts.at(-1)!.gone).to.equal(2)
  })

  it('without a connection it answers too', () => {
    const stage = new Stage([])
    const {scan, answer} = stage.scan()
    stage.run()
    expect(answer.ready).to.equal(1)
    expect(scan.part()).to.deep.include({flows: [], more: false, open: 0, matched: 0})
  })

  it('once cancelled it takes no turn and says nothing', () => {
    const stage = new Stage(Array.from({length: 1000}, () => 1))
    const {scan, answer} = stage.scan()
    scan.cancel()
    stage.run()
    expect(answer.ready).to.equal(0)
    expect(stage.now).to.equal(0)
  })

  it('forgets an answer that nobody fetches', () => {
    const stage = new Stage(Array.from({length: 100}, () => 1))
    const {scan} = stage.scan({limit: 100})
    stage.run()
    expect(scan.part().more).to.equal(true)
    stage.timers.advance(stage.now + 11_000)
    expect(scan.part()).to.deep.include({flows: [], more: false})
    expect(stage.timers.delay(stage.now), 'no timer is left').to.equal(-1)
  })
})
