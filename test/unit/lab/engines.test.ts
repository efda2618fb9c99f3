import {expect} from 'chai'

import {parseCounters, settingWords} from '../../../src/lib/lab/delay-line.js'
import {chooseEngine} from '../../../src/lib/lab/link-engine.js'
import {netemCommands, netemWords, parseQdisc} from '../../../src/lib/lab/netem.js'
import {DEFAULT_DIRECTION, directionChange} from '../../../src/lib/lab/link-parameters.js'
import {planLab} from '../../../src/lib/lab/plan.js'

const code = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: {code: string; message: string}) => `${error.code}: ${error.message}`,
  )

describe('link engines', () => {
  it('tells the delay line what is to change, by direction', () => {
    expect(settingWords('ab', {delayMs: 40, lossPercent: 0.5, drop: ['syn:1', 'ack:1'], hold: []})).to.deep.equal([
      'ab.delay=40',
      'ab.loss=0.5',
      'ab.drop=syn:1,ack:1',
      'ab.hold=none',
    ])
    expect(settingWords('ba', {reorderDelayMs: 2, seed: undefined})).to.deep.equal(['ba.reorder-delay=2'])
    expect(settingWords('ab', DEFAULT_DIRECTION)).to.have.lengthOf(Object.keys(DEFAULT_DIRECTION).length)
  })

  it('halves a round trip between the directions', () => {
    expect(directionChange({rttMs: 80, jitterMs: 1})).to.deep.equal({delayMs: 40, jitterMs: 1})
    expect(directionChange({lossPercent: undefined})).to.deep.equal({})
  })

  it('reads the counters of the delay line', () => {
    const counters = parseCounters('ok ab.received=12 ab.dropped-by-rule=1 ba.received=0')
    expect([...counters]).to.deep.equal([
      ['ab.received', 12],
      ['ab.dropped-by-rule', 1],
      ['ba.received', 0],
    ])
  })

  it('words a direction for netem', () => {
    expect(netemWords({...DEFAULT_DIRECTION, delayMs: 40}).join(' ')).to.equal('limit 100000 delay 40ms')
    expect(
      netemWords({...DEFAULT_DIRECTION, delayMs: 40, jitterMs: 2, lossPercent: 0.1, duplicatePercent: 1}).join(' '),
    ).to.equal('limit 100000 delay 41ms 1ms loss random 0.1% duplicate 1%')
    // 100 Mbit/s for 40 ms is 500,000 bytes under way, beside a queue of 150,000: 650,000 / 1514 packets.
    const limited = netemWords({...DEFAULT_DIRECTION, delayMs: 40, rateMbit: 100, queueBytes: 150_000}).join(' ')
    expect(limited).to.equal('limit 431 delay 40ms rate 100mbit')
  })

  it('joins the two ends by a bridge and delays on both egresses', () => {
    const [link] = planLab({links: {'client-edge': {rttMs: 10, towards: {client: {jitterMs: 2}}}}}, 'x').links
    const {ip, tc} = netemCommands(link, 'add')
    expect(ip).to.include('link set line1n master brw1')
    expect(tc).to.deep.equal([
      'qdisc add dev line1f root handle 1: netem limit 100000 delay 5ms',
      'qdisc add dev line1n root handle 1: netem limit 100000 delay 6ms 1ms',
      'qdisc add dev line1n parent 1:1 handle 2: pfifo limit 100000',
    ])
    expect(netemCommands(link, 'replace').ip).to.deep.equal([])
  })

  it("reads netem's counters", () => {
    expect(parseQdisc('[{"kind":"netem","packets":10,"drops":2}]')).to.include({received: 12, forwarded: 10, lost: 2})
    expect(parseQdisc('[]')).to.include({received: 0})
  })

  it('never takes netem for rules or reordering', async () => {
    const [link] = planLab({links: {'client-edge': {drop: ['syn:1']}}}, 'x').links
    expect((await chooseEngine('auto', link, 'no-such-namespace')).name).to.equal('delay-line')
    expect((await chooseEngine('delay-line', link, 'no-such-namespace')).name).to.equal('delay-line')
    let code
    try {
      await chooseEngine('netem', link, 'no-such-namespace')
    } catch (error) {
      ;({code} = error as {code: string})
    }

    expect(code).to.equal('CONFIG_INVALID')
  })

  it('joins the two ends by a bridge alone, for links that add nothing', async () => {
    const [plain] = planLab({linkEngine: 'bridge'}, 'x').links
    expect(plain.towardsFar.delayMs).to.equal(0)
    const engine = await chooseEngine('bridge', plain, 'no-such-namespace')
    expect(engine.name).to.equal('bridge')
    const [slow] = planLab({linkEngine: 'bridge', links: {'client-edge': {rttMs: 4, drop: ['syn:1']}}}, 'x').links
    expect(await code(chooseEngine('bridge', slow, 'no-such-namespace'))).to.equal(
      'CONFIG_INVALID: link client-edge: a bridge has no delayMs, drop',
    )
    const change = engine.change({} as never, plain, {lossPercent: 1}, {})
    expect(await code(change)).to.contain('lossPercent')
    expect(await code(engine.change({} as never, plain, {lossPercent: 0}, {drop: []}))).to.equal('none')
  })
})
