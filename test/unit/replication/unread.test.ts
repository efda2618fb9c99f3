import {expect} from 'chai'

import type {Coordinator} from '../../../src/lib/replication/ownership.js'
import {Primary, type PrimaryOutput, type Unread} from '../../../src/lib/replication/primary.js'
import {DEFAULT_SETTINGS} from '../../../src/lib/replication/settings.js'
import {FrameHeader, FrameType, ReplicationProtocolError} from '../../../src/lib/wire/replication-frame.js'
import {legRecord} from './legs.js'

interface Sent {
  type: number
  direction: number
  offset: number
  payload: string
}

/** An owner that is alone, with one flow: `read` was read of it, `unread` is still in the kernel. */
function alone(read: string, unread: Unread | null, onBackupLoss: 'solo' | 'stall' = 'solo') {
  const sent: Sent[] = []
  const gates: number[] = []
  const asked: boolean[] = []
  const coordinator = {
    alone: (epoch: number, _evidence: string, answer: (granted: number | null) => void) => answer(epoch),
    cancel() {},
  } as unknown as Coordinator
  const output: PrimaryOutput = {
    gate: (_flow, direction, offset) => direction === 0 && gates.push(offset),
    setupClock: () => 0,
    speak() {},
    ready() {},
    closed() {},
    pauseReading() {},
    pending: (_flow, direction) => ({from: 0, parts: direction === 0 ? [Buffer.from(read)] : []}),
    unread(_flow, direction) {
      asked.push(primary.solo)
      return direction === 0 ? unread : null
    },
  }
  const primary: Primary = new Primary(
    {...DEFAULT_SETTINGS, onBackupLoss},
    7,
    coordinator,
    ({type, direction, offset, length}, payload, start) => {
      const bytes = payload instanceof Buffer && type === FrameType.DATA ? payload.subarray(start, start + length) : ''
      sent.push({type, direction, offset, payload: bytes.toString()})
    },
    output,
  )
  const near = legRecord(1, 2)
  const flow = primary.open(near, near.local, near.remote, 0)
  primary.received(flow, 0, Buffer.from(read))
  primary.lead(false)
  let now = 0
  const until = (state: string): void => {
    for (let ticks = 0; primary.link !== state && ticks < 10; ticks++) primary.tick((now += 10))
    expect(primary.link).to.equal(state)
  }

  const answer = (type: FrameType, direction: 0 | 1, offset: number): void =>
    primary.frame(Object.assign(new FrameHeader(), {type, flow, direction, offset}), now)
  return {primary, flow, sent, gates, asked, until, answer}
}

describe('an owner that was alone', () => {
  it('sends its backup what was acknowledged without it and is not read yet, once gates stand', () => {
    const {primary, flow, sent, gates, asked, until, answer} = alone('read', {
      bytes: Buffer.from('unread'),
      ended: true,
    })
    until('unread')
    expect(asked).to.deep.equal([])
    until('ending')
    // Nobody was asked while the datapath still let everything out.
    expect(asked).to.deep.equal([false, false])
    const stream = sent.filter(({type}) => type === FrameType.DATA || type === FrameType.END)
    expect(stream).to.deep.equal([
      {type: FrameType.DATA, direction: 0, offset: 0, payload: 'read'},
      {type: FrameType.DATA, direction: 0, offset: 4, payload: 'unread'},
      {type: FrameType.END, direction: 0, offset: 10, payload: ''},
    ])
    expect(sent.at(-1)!.type).to.equal(FrameType.SNAPSHOT_END)

    answer(FrameType.RECORD_ACK, 0, 0)
    answer(FrameType.ACK, 0, 11)
    answer(FrameType.SNAPSHOT_END, 0, 0)
    expect(primary.link).to.equal('paired')
    expect([gates.at(-1), primary.outstanding]).to.deep.equal([11, 0])
    // What is read later is sent again, which the backup compares with what it holds.
    primary.received(flow, 0, Buffer.from('unread'))
    primary.ended(flow, 0)
    expect(sent.slice(-2).map(({offset, payload}) => [offset, payload])).to.deep.equal([
      [4, 'unread'],
      [10, ''],
    ])
    expect(() => answer(FrameType.ACK, 0, 12)).to.throw(ReplicationProtocolError, /12 held of 11/)
  })

  it('asks nobody for it where gates have stood all the time', () => {
    const {asked, until} = alone('read', {bytes: Buffer.from('unread'), ended: false}, 'stall')
    until('ending')
    expect(asked).to.deep.equal([])
  })
})
