import {expect} from 'chai'
import {assert as holds, integer, property, record} from 'fast-check'

import {changesBetween, fieldsOf, fieldsOfQuote, matching} from '../../../src/lib/probe/changes.js'
import {conditionsOf, earlyConditions, explain} from '../../../src/lib/probe/conditions.js'
import type {EchoedPacket} from '../../../src/lib/probe/echo-client.js'
import {echoConditions, locate, variantConditions} from '../../../src/lib/probe/findings.js'
import type {Flow} from '../../../src/lib/probe/flow.js'
import type {VariantResult} from '../../../src/lib/probe/schema.js'
import type {CraftedSegment} from '../../../src/lib/wire/tcp-packet.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {LOCAL, REMOTE, seen} from './crafted-flow.js'

const SYN: CraftedSegment = {
  source: LOCAL,
  destination: REMOTE,
  sequence: 1000,
  acknowledgment: 77,
  flags: TcpFlag.SYN,
  window: 4321,
  options: {maximumSegmentSize: 1460, sackPermitted: true, timestamps: {value: 5, echo: 6}, windowScale: 10},
}
const SYN_ACK: CraftedSegment = {
  ...SYN,
  source: REMOTE,
  destination: LOCAL,
  sequence: 77,
  acknowledgment: 1001,
  flags: TcpFlag.SYN | TcpFlag.ACK,
  window: 65_535,
}

/** A change of one field and the name it must get; all others are to stay unnamed. */
const CHANGES: [name: string, change: Partial<CraftedSegment>][] = [
  ['nat-source', {source: {address: '198.51.100.1', port: 1}}],
  ['nat-destination', {destination: {address: '198.51.100.2', port: 7000}}],
  ['dscp-rewritten', {trafficClass: 0b10111000}],
  ['ecn-bits-rewritten', {trafficClass: 1}],
  ['ttl-rewritten', {hopLimit: 65}],
  ['sequence-rewritten', {sequence: 1001}],
  ['ack-field-rewritten', {acknowledgment: 0}],
  ['ecn-flags-rewritten', {flags: TcpFlag.SYN | TcpFlag.ECE}],
  ['flags-rewritten', {flags: TcpFlag.SYN | TcpFlag.PSH}],
  ['window-rewritten', {window: 4320}],
  ['data-stripped', {payload: Buffer.from('x')}],
  ['options-stripped', {options: {}}],
  ['mss-clamped', {options: {...SYN.options, maximumSegmentSize: 1300}}],
  ['mss-rewritten', {options: {...SYN.options, maximumSegmentSize: 9000}}],
  ['mss-stripped', {options: {...SYN.options, maximumSegmentSize: undefined}}],
  ['sack-stripped', {options: {...SYN.options, sackPermitted: undefined}}],
  ['timestamps-stripped', {options: {...SYN.options, timestamps: undefined}}],
  ['timestamps-rewritten', {options: {...SYN.options, timestamps: {value: 5, echo: 0}}}],
  ['window-scale-rewritten', {options: {...SYN.options, windowScale: 7}}],
  ['fast-open-added', {options: {...SYN.options, fastOpenCookie: new Uint8Array()}}],
]

/** One exchange, whose packets the path changed on their way. */
const told = (out: Partial<CraftedSegment>, back: Partial<CraftedSegment>) => {
  const flow = {
    events: [
      {kind: 'sent', timeNs: 0n, ...seen(SYN)},
      {kind: 'received', timeNs: 1n, ...seen({...SYN_ACK, ...back})},
      {kind: 'sent', timeNs: 2n, ...seen({...SYN, flags: TcpFlag.RST, options: undefined, window: 0})},
    ],
  } as unknown as Flow
  const packets: EchoedPacket[] = [
    {direction: 'arrived', ...seen({...SYN, ...out})},
    {direction: 'left', ...seen(SYN_ACK)},
  ]
  return echoConditions([flow], {packets}).map(({name, direction}) => `${name} ${direction}`)
}

const variant = (name: string, answered: boolean | null, arrived: boolean | null = null): VariantResult => ({
  name,
  what: name,
  tries: 5,
  answered,
  arrived,
  detail: null,
})

describe('what a path changed', () => {
  const sent = fieldsOf(seen(SYN))

  for (const [name, change] of CHANGES) {
    it(`${name}: by its name alone`, () => {
      const changes = changesBetween(sent, fieldsOf(seen({...SYN, ...change})))
      expect(changes.map((one) => one.name)).to.deep.equal([name])
      expect(explain(name)).to.not.equal(name)
    })
  }

  it('is nothing when hop limits fall', () => {
    expect(changesBetween(sent, fieldsOf(seen({...SYN, hopLimit: 3})))).to.deep.equal([])
  })

  it('calls the acknowledgement by another name where the ACK flag is set', () => {
    const ack = {...SYN, flags: TcpFlag.ACK}
    const changes = changesBetween(fieldsOf(seen(ack)), fieldsOf(seen({...ack, acknowledgment: 1})))
    expect(changes).to.deep.equal([{name: 'acknowledgment-rewritten', sent: 77, arrived: 1}])
  })

  it('says nothing of what a quote of 8 bytes does not show', () => {
    const {ip} = seen({...SYN, sequence: 9})
    const quoted = {
      ip,
      sourcePort: LOCAL.port,
      destinationPort: REMOTE.port,
      sequence: 9,
      acknowledgment: null,
      flags: null,
      window: null,
      options: null,
    }
    expect(changesBetween(sent, fieldsOfQuote(quoted)).map(({name}) => name)).to.deep.equal(['sequence-rewritten'])
  })

  it('finds a packet among others after any one change but of what it is known by', () => {
    const word = integer({min: 0, max: 0xff_ff_ff_ff})
    const others = [1, 2, 3].map((number) => fieldsOf(seen({...SYN, sequence: number, window: 2000 + number})))
    holds(
      property(record({sequence: word, acknowledgment: word}), (change) => {
        const arrived = fieldsOf(seen({...SYN, ...change}))
        expect(matching(sent, [...others, arrived])).to.equal(arrived)
      }),
    )
    for (const [name, change] of CHANGES.filter(([, {flags}]) => flags === undefined)) {
      const arrived = fieldsOf(seen({...SYN, ...change}))
      expect(matching(sent, [...others, arrived]), name).to.equal(arrived)
    }

    expect(matching(sent, others)).to.equal(null)
    expect(matching(sent, [fieldsOf(seen({...SYN, flags: TcpFlag.ACK}))]), 'no SYN').to.equal(null)
  })

  it('is told once a name and direction, and of all options at once rather than of each', () => {
    const all = {name: 'options-stripped', sent: 'mss, sack', arrived: null}
    const conditions = conditionsOf(
      [all, {name: 'mss-stripped', sent: 1460, arrived: null}, all, {name: 'window-rewritten', sent: 1, arrived: 2}],
      'outbound',
      'echo',
    )
    expect(conditions.map(({name}) => name)).to.deep.equal(['options-stripped', 'window-rewritten'])
  })
})

describe('conditions by an echo', () => {
  it('are none on a clean path', () => expect(told({}, {})).to.deep.equal([]))

  it('name the direction', () => {
    const options = {...SYN.options, maximumSegmentSize: 1300}
    expect(told({options}, {})).to.deep.equal(['mss-clamped outbound'])
    expect(told({}, {options})).to.deep.equal(['mss-clamped inbound'])
  })

  it('name a translation once, though the way back undoes it', () => {
    const source = {address: '198.51.100.1', port: 40_000}
    const flow = {
      events: [
        {kind: 'sent', timeNs: 0n, ...seen(SYN)},
        {kind: 'received', timeNs: 1n, ...seen(SYN_ACK)},
      ],
    }
    const packets: EchoedPacket[] = [
      {direction: 'arrived', ...seen({...SYN, source})},
      {direction: 'left', ...seen({...SYN_ACK, destination: source})},
    ]
    const found = echoConditions([flow as unknown as Flow], {packets})
    expect(found.map(({name, direction}) => `${name} ${direction}`)).to.deep.equal(['nat-source outbound'])
  })

  it('name rewritten sequence numbers once, though acknowledgements of them are rewritten too', () => {
    expect(told({sequence: 5000}, {acknowledgment: 1001})).to.deep.equal(['sequence-rewritten outbound'])
  })
})

describe('conditions by variants', () => {
  const clean = {translated: false, mismatched: false}
  const names = (variants: VariantResult[], about = clean): string[] =>
    variantConditions(variants, about).map(({name}) => name)
  const control = variant('syn', true)

  it('are none where the control was not answered', () => {
    expect(names([variant('syn', false), variant('ecn', false)])).to.deep.equal([])
  })

  it('name a SYN that is never answered, unless it arrived or was tried only once', () => {
    expect(names([control, variant('ecn', false)])).to.deep.equal(['ecn-dropped'])
    expect(names([control, variant('ecn', false, true)])).to.deep.equal([])
    expect(names([control, {...variant('ecn', false), tries: 1}])).to.deep.equal([])
    expect(names([control, variant('ecn', true)])).to.deep.equal([])
  })

  for (const [what, early, ack, without, name] of [
    ['passes', true, null, true, []],
    ['is dropped, a bare ACK passes', false, true, true, ['early-data-dropped']],
    ['and ACKs are dropped, a flow without SYN passes', false, false, true, ['stateful-loose']],
    ['and everything without a state is dropped', false, false, false, ['stateful-strict']],
  ] as const) {
    it(`early data ${what}`, () => {
      const variants = [
        control,
        variant('early-data', early, early),
        variant('early-ack', null, ack),
        variant('data-without-syn', without, without),
      ]
      expect(names(variants)).to.deep.equal(name)
      expect(names(variants, {...clean, translated: true}), 'behind a NAT').to.deep.equal([])
      expect(earlyConditions({earlyData: early, earlyAck: ack, dataWithoutSyn: without})).to.deep.equal(name)
    })
  }

  it('leave early data alone where the SYN itself is dropped, or the gateway answers with another number', () => {
    const silent = [variant('early-data', false), variant('data-without-syn', false)]
    expect(names([control, variant('syn-ack-field', false), ...silent])).to.deep.equal(['syn-ack-field-dropped'])
    expect(names([control, ...silent], {...clean, mismatched: true})).to.deep.equal([])
    expect(names([control, ...silent])).to.deep.equal(['early-data-dropped'])
  })
})

describe('where a change happened', () => {
  const change = {name: 'mss-clamped', sent: 1460, arrived: 1300}
  const at = (ttl: number, address: string | null, changes = [change]) => ({hop: {ttl, address}, changes})

  it('is the first hop that quotes it', () => {
    const [known] = conditionsOf([change], 'outbound', 'echo')
    const path = [at(1, '10.0.0.2', []), at(2, null), at(3, '10.0.0.3'), at(4, '10.0.0.4')]
    expect(locate([known], path)).to.deep.equal([{...known, hop: {ttl: 3, address: '10.0.0.3'}}])
  })

  it('is not said of the way back', () => {
    const [back] = conditionsOf([change], 'inbound', 'echo')
    expect(
      locate([back], [at(1, '10.0.0.2')]).map(({direction, evidence}) => `${direction} ${evidence}`),
    ).to.deep.equal(['inbound echo', 'outbound quote'])
  })

  it('without an echo names what the quotes show', () => {
    expect(locate([], [at(2, '10.0.0.3')])).to.deep.equal([
      {...conditionsOf([change], 'outbound', 'quote')[0], hop: {ttl: 2, address: '10.0.0.3'}},
    ])
  })
})
