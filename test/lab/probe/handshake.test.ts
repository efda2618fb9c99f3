import {expect} from 'chai'
import {once} from 'node:events'
import {readdirSync, readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

import {PcapReader} from '../../../src/lib/capture/pcap-reader.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {targetSchema, type TargetReport} from '../../../src/lib/probe/schema.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {quantile, scratch, segments} from '../support/lab-tools.js'
import {OVERLAY, serve} from '../support/overlay.js'

const OPEN = 80
const CLOSED = 81
const FILTERED = 82
const BLACK_HOLE = 83
const ORIGIN = '10.77.3.21'

/** A SYN and its answer are lost with the same chance; five standard deviations leave one run in 3 million outside. */
const mayBeLost = (count: number, percent: number): [number, number] => {
  const share = 1 - (1 - percent / 100) ** 2
  const spread = 5 * Math.sqrt(count * share * (1 - share))
  return [count * share - spread, count * share + spread]
}

describe('overlay probe: ordinary handshakes', () => {
  const files = scratch()
  let lab: Lab

  before(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 0}, 'edge-gateway': {rttMs: 50}, 'gateway-origin': {rttMs: 0}}},
      {owned: true},
    )
    await serve(lab, 'origin', OPEN)
    const rules = ['table inet t {', 'chain c {', 'type filter hook input priority 0']
    rules.push(`tcp dport ${FILTERED} reject with icmpx admin-prohibited`, `tcp dport ${BLACK_HOLE} drop`, '}', '}', '')
    const made = await lab.exec('origin', ['nft', '-f', '-'], {input: rules.join('\n')})
    expect(made.code, made.stderr).to.equal(0)
  })

  after(async () => {
    await lab?.down()
    files.remove()
  })

  const probe = async (...words: string[]): Promise<{code: number; report: TargetReport}> => {
    const {code, stdout} = await lab.exec('client', [...OVERLAY, 'probe', ...words, '--json'])
    return {code, report: targetSchema.parse(JSON.parse(stdout))}
  }

  for (const [rttMs, lossPercent, count] of [
    [5, 0, 20],
    [5, 1, 100],
    [5, 10, 200],
    [50, 0, 20],
    [50, 1, 100],
    [50, 10, 100],
    [300, 0, 10],
    [300, 1, 60],
    [300, 10, 60],
  ]) {
    it(`${rttMs} ms, ${lossPercent} % loss: round trips as on the wire, loss as on the link`, async () => {
      await lab.setLink('edge-gateway', {rttMs, lossPercent})
      const capture = await lab.capture('client', 'client-edge', files.path('wire.pcap'), {filter: 'tcp'})
      const words = ['--count', String(count), '--interval', '20ms', '--timeout', '900ms']
      const {report} = await probe(`${ORIGIN}:${OPEN}`, ...words)
      await capture.stop()
      const seen = segments([...PcapReader.open(files.path('wire.pcap'))])
      const syns = seen.filter(({flags}) => flags === TcpFlag.SYN)
      const rtts = syns.flatMap((syn) => {
        const answer = seen.find(
          ({acknowledgment, flags, timeMs}) =>
            flags & TcpFlag.SYN &&
            flags & TcpFlag.ACK &&
            acknowledgment === (syn.sequence + 1) >>> 0 &&
            timeMs - syn.timeMs < 900,
        )
        return answer ? [answer.timeMs - syn.timeMs] : []
      })
      const {handshake} = report
      expect(syns.length).to.equal(count)
      expect(handshake.sent).to.equal(count)
      expect(handshake.received).to.equal(rtts.length)
      expect(handshake.rttMs!.min).to.be.closeTo(Math.min(...rtts), 0.3)
      expect(handshake.rttMs!.max).to.be.closeTo(Math.max(...rtts), 0.3)
      expect(handshake.rttMs!.p50).to.be.closeTo(quantile(rtts, 0.499), 0.3)
      // By how much a link may be late is judged in lab/delay.test.ts.
      expect(handshake.rttMs!.min).to.be.at.least(rttMs)
      const [least, most] = mayBeLost(count, lossPercent)
      expect(handshake.answers.silent).to.be.within(least, most)
      const distances = syns.slice(1).map(({timeMs}, index) => timeMs - syns[index].timeMs)
      // The next turn counts from when the kernel had taken a SYN, which is after its timestamp; the two clocks differ by
      // what the time of day is slewed in 20 ms, at most 500 ppm (adjtimex).
      expect(Math.min(...distances)).to.be.at.least(20 - 0.01)
      // A timer is late by up to 1 ms and the SYN by what else runs; half of all within 5 ms even on a busy machine.
      expect(quantile(distances, 0.5)).to.be.at.most(25)
    })
  }

  it('agrees with hping3 and nping in the same run', async () => {
    await lab.setLink('edge-gateway', {rttMs: 50, lossPercent: 0})
    const [own, hping, nping] = await Promise.all([
      probe(`${ORIGIN}:${OPEN}`, '--count', '10', '--interval', '200ms'),
      lab.exec('client', ['hping3', '-S', '-p', String(OPEN), '-c', '10', '-i', 'u200000', ORIGIN]),
      lab.exec('client', ['nping', '--tcp', '-p', String(OPEN), '-c', '10', '--delay', '200ms', ORIGIN]),
    ])
    const best = own.report.handshake.rttMs!.min
    // It shows what came for the others too, as 0.0 ms.
    const theirs = [...hping.stdout.matchAll(/ rtt=([\d.]+) ms/g)].map(([, ms]) => Number(ms)).filter((ms) => ms > 0)
    const [sent, received] = ['SENT', 'RCVD'].map((what) =>
      [...nping.stdout.matchAll(new RegExp(String.raw`${what} \(([\d.]+)s\)`, 'g'))].map(([, s]) => Number(s) * 1000),
    )
    const their = received.map((ms, index) => ms - sent[index])
    // They read the clock in user space, when they have sent, and when a packet has waited for them: some are late with
    // the one, some with the other, so the median is compared.
    expect(theirs, hping.stdout).to.have.length.of.at.least(3)
    expect(their, nping.stdout).to.have.lengthOf(10)
    expect(quantile(theirs, 0.5), hping.stdout).to.be.within(best - 0.3, best + 15)
    expect(quantile(their, 0.5), nping.stdout).to.be.within(best - 0.3, best + 15)
    expect(own.report.handshake.lossPercent).to.equal(0)
  })

  /** Addresses and ports of both ends, without the state and the queues, which change. */
  const connectionsAtTarget = async (): Promise<string[]> => {
    const {stdout} = await lab.exec('origin', ['ss', '-Htan', 'state', 'connected'])
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => line.trim().split(/\s+/).slice(-2).join(' '))
  }

  for (const [what, target, verdict] of [
    ['an open port', `${ORIGIN}:${OPEN}`, 'ordinary'],
    ['a closed port', `${ORIGIN}:${CLOSED}`, 'closed'],
    ['a closed port over IPv6', `[fd77:3::21]:${CLOSED}`, 'closed'],
    ['a port that is refused', `${ORIGIN}:${FILTERED}`, 'filtered'],
    ['a black hole', `${ORIGIN}:${BLACK_HOLE}`, 'filtered'],
    ['a network without a route', '10.99.0.1:80', 'unreachable'],
    ['an address that nobody has', '10.77.1.99:80', 'unreachable'],
    ['an IPv6 address that nobody has', '[fd77:1::99]:80', 'unreachable'],
  ]) {
    it(`${what}: ${verdict}`, async () => {
      await lab.setLink('edge-gateway', {rttMs: 5, lossPercent: 0})
      // Where a lossy link lost an RST, the target forgets the SYN when it sends its SYN/ACK again: up to 63 s later.
      const before = await connectionsAtTarget()
      const {code, report} = await probe(target, '--count', '3', '--interval', '50ms', '--timeout', '300ms')
      expect(report.verdict).to.equal(verdict)
      expect(code).to.equal(verdict === 'ordinary' ? 0 : 4)
      const left = (await connectionsAtTarget()).filter((connection) => !before.includes(connection))
      expect(left, 'connections left at the target').to.deep.equal([])
    })
  }

  it('a next hop that dies while the kernel takes its address for good: unreachable, not filtered', async () => {
    const deaf = [
      'table netdev t {',
      'chain c {',
      'type filter hook ingress device "to-client" priority 0',
      'drop',
      '}',
      '}',
    ]
    const hops = {'10.77.1.21': `${ORIGIN}:${CLOSED}`, 'fd77:1::21': `[fd77:3::21]:${CLOSED}`}
    const all = (): ReturnType<typeof probe>[] =>
      Object.values(hops).map((target) => probe(target, '--count', '2', '--interval', '20ms', '--timeout', '300ms'))
    const answered = await Promise.all(all())
    expect(answered.map(({report}) => report.verdict)).to.deep.equal(['closed', 'closed'])
    await lab.exec('edge', ['nft', '-f', '-'], {input: deaf.join('\n') + '\n'})
    try {
      const silent = await Promise.all(all())
      for (const [index, hop] of Object.keys(hops).entries()) {
        const {code, report} = silent[index]
        expect(report.verdict, report.reasons.join('; ')).to.equal('unreachable')
        expect(report.reasons.join(' ')).to.include(`the next hop ${hop} does not answer`)
        expect(code).to.equal(4)
      }
    } finally {
      await lab.exec('edge', ['nft', 'delete', 'table', 'netdev', 't'])
    }
  })

  const rulesOfClient = async (): Promise<string> => (await lab.exec('client', ['nft', 'list', 'tables'])).stdout

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    it(`two at once, ended by ${signal}: no rule and no process is left`, async () => {
      const running = [OPEN, CLOSED].map((port) =>
        lab.spawn('client', [...OVERLAY, 'probe', `${ORIGIN}:${port}`, '--count', '1000', '--json', '--stream'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      )
      await Promise.all(running.map(({child}) => once(child.stdout!, 'data')))
      expect((await rulesOfClient()).match(/overlay_probe_/g)).to.have.lengthOf(2)
      let output = ''
      running[0].child.stdout!.on('data', (text: Buffer) => {
        output += text.toString()
      })
      const ended = await Promise.all(running.map((one) => one.stop(signal)))
      if (signal === 'SIGINT') {
        expect(ended.map(({code}) => code)).to.deep.equal([0, 4])
        const report = JSON.parse(output.trim().split('\n').at(-1)!) as TargetReport & {event: string}
        expect(report).to.deep.include({event: 'report', interrupted: true, verdict: 'ordinary'})
      }

      // nft ends when its input does, and the kernel takes its table with it.
      for (let waited = 0; waited < 3000 && (await rulesOfClient()) !== ''; waited += 50) await sleep(50)
      expect(await rulesOfClient()).to.equal('')
      const {namespace} = lab.host('client')
      const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && inNamespace(pid, namespace))
      expect(left).to.deep.equal([])
    })
  }

  it('--pcap has every packet', async () => {
    const file = files.path('own.pcap')
    await probe(`${ORIGIN}:${OPEN}`, '--count', '4', '--interval', '20ms', '--pcap', file)
    // SYN, SYN/ACK and RST of each.
    expect([...PcapReader.open(file)]).to.have.lengthOf(12)
  })
})

function inNamespace(pid: string, namespace: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    return (words[0] === 'nft' || words.includes('probe')) && isNamespace(pid, namespace)
  } catch {
    return false
  }
}

function isNamespace(pid: string, namespace: string): boolean {
  return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(namespace.split('-')[1])
}
