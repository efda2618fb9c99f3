import {expect} from 'chai'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

import {PcapReader} from '../../../src/lib/capture/pcap-reader.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {targetSchema, type TargetReport} from '../../../src/lib/probe/schema.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {scratch, segments} from '../support/lab-tools.js'
import {newSecret, OVERLAY, Scratch} from '../support/overlay.js'

const ORIGIN = '10.77.3.21'
const NGINX = 80
const SSHD = 22
const INTERVAL_MS = 20

describe('overlay probe and servers that know nothing of it', () => {
  const files = scratch()
  const secrets = new Scratch()
  const sshdLog: string[] = []
  let lab: Lab

  before(async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: 10}}}, {owned: true})
    await startNginx()
    await startSshd()
    for (const port of [NGINX, SSHD]) await listening(port)
  })

  after(async () => {
    await lab?.down()
    files.remove()
    secrets.remove()
  })

  async function startNginx(): Promise<void> {
    const directory = files.path('nginx')
    mkdirSync(directory)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    writeFileSync(
      files.path('nginx.conf'),
      [
        'daemon off;',
        `pid ${directory}/pid;`,
        `error_log ${files.path('error.log')} info;`,
        'events {}',
        'http {',
        ...temporary.map((name) => `${name}_temp_path ${directory}/${name};`),
        `access_log ${files.path('access.log')};`,
        `server { listen ${ORIGIN}:${NGINX} fastopen=16; return 200 "here\\n"; }`,
        '}',
        '',
      ].join('\n'),
    )
    // Servers may take cookies, and give them (2); clients may ask for them (1).
    await lab.exec('origin', ['sysctl', '-qw', 'net.ipv4.tcp_fastopen=3'])
    lab.spawn('origin', ['nginx', '-e', 'stderr', '-c', files.path('nginx.conf')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }

  async function startSshd(): Promise<void> {
    const key = files.path('host-key')
    const made = await lab.exec('origin', ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key])
    expect(made.code, made.stderr).to.equal(0)
    const config = [`Port ${SSHD}`, `ListenAddress ${ORIGIN}`, `HostKey ${key}`, 'PidFile none', 'UsePAM no']
    writeFileSync(
      files.path('sshd_config'),
      [...config, 'PasswordAuthentication no', 'LogLevel VERBOSE', ''].join('\n'),
    )
    // sshd wants /run/sshd, which systemd makes elsewhere; this one is of the process's own mounts and goes with it.
    const start = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$1"'
    const sshd = lab.spawn('origin', ['sh', '-c', start, 'sshd', files.path('sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    sshd.child.stderr!.on('data', (text: Buffer) => sshdLog.push(text.toString()))
  }

  async function listening(port: number): Promise<void> {
    for (let waited = 0; waited < 10_000; waited += 50) {
      const {stdout} = await lab.exec('origin', ['ss', '-Hltn', 'sport', '=', `:${port}`])
      if (stdout !== '') return
      await sleep(50)
    }

    throw new Error(`nobody listens on port ${port}: ${sshdLog.join('')}`)
  }

  const probe = async (port: number, ...words: string[]): Promise<TargetReport> => {
    const pace = ['--interval', `${INTERVAL_MS}ms`, '--timeout', '300ms']
    const {code, stdout} = await lab.exec('client', [
      ...OVERLAY,
      'probe',
      `${ORIGIN}:${port}`,
      ...pace,
      ...words,
      '--json',
    ])
    expect(code, stdout).to.equal(0)
    return targetSchema.parse(JSON.parse(stdout))
  }

  const connected = async (): Promise<string> =>
    (await lab.exec('origin', ['ss', '-Htan', 'state', 'connected'])).stdout

  /** What nginx and sshd say of connections. */
  const nginxHeard = (): string[] => {
    const [requests, others] = ['access.log', 'error.log'].map((name) =>
      readFileSync(files.path(name), 'utf8').split('\n'),
    )
    return [...requests.filter((line) => line !== ''), ...others.filter((line) => line.includes('client'))]
  }

  const sshdHeard = (): string[] => sshdLog.join('').match(/.*(?:connection|closed|reset).*/gi) ?? []

  for (const [name, port, hello, heard] of [
    ['nginx', NGINX, 'HTTP/1.1 200', nginxHeard],
    ['sshd', SSHD, 'SSH-2.0', sshdHeard],
  ] as const) {
    it(`${name}: ordinary; it hears of no connection, keeps none, and gets no more than was asked for`, async () => {
      const capture = await lab.capture('origin', 'gateway-origin', files.path('wire.pcap'), {
        filter: `tcp port ${port}`,
      })
      const report = await probe(port, '--count', '25', '--variants')
      await capture.stop()
      expect(report.verdict).to.equal('ordinary')
      expect(report.handshake).to.deep.include({sent: 25, received: 25, lossPercent: 0})
      expect(report.conditions).to.deep.equal([])
      expect(report.variants!.filter(({answered}) => answered !== true)).to.deep.equal([])
      expect(await connected(), 'connections left at the server').to.equal('')

      const seen = segments([...PcapReader.open(files.path('wire.pcap'))])
      const syns = seen.filter(({flags}) => (flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN)
      expect(syns.length).to.equal(25 + report.variants!.reduce((sum, {tries}) => sum + tries, 0))
      for (const {sequence, payloadLength} of syns) {
        const answer = seen.find(
          ({flags, acknowledgment}) =>
            (flags & (TcpFlag.SYN | TcpFlag.ACK)) === (TcpFlag.SYN | TcpFlag.ACK) &&
            (acknowledgment - sequence - 1) >>> 0 <= payloadLength,
        )!
        const resets = seen.filter((tcp) => tcp.flags === TcpFlag.RST && tcp.sequence === answer.acknowledgment)
        expect(resets, 'each is reset once, by its exact number').to.have.lengthOf(1)
      }

      expect(heard(), 'a connection that was never whole is none to the program').to.deep.equal([])
      const greeting = `exec 3<>/dev/tcp/${ORIGIN}/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -c ${hello.length} <&3`
      const {stdout} = await lab.exec('client', ['bash', '-c', greeting], {timeoutMs: 5000})
      expect(stdout, 'serves as before').to.equal(hello)
      for (let waited = 0; heard().length === 0 && waited < 2000; waited += 50) await sleep(50)
      expect(heard(), 'a whole connection is heard of').to.not.deep.equal([])
    })
  }

  it('nginx with TCP Fast Open: takes its own cookie, and data with the SYN', async () => {
    const keys = secrets.keyFile('keys', [{id: 1, secret: newSecret()}])
    const report = await probe(NGINX, '--count', '2', '--key-file', keys, '--variants')
    // It holds no key of ours, so its silence on our numbers is nobody's fault.
    expect(report.verdict).to.equal('ordinary')
    const details = Object.fromEntries(report.variants!.map(({name, detail}) => [name, detail]))
    expect(details['fast-open']).to.equal('the target gives a cookie of 8 bytes')
    expect(details['fast-open-cookie']).to.equal('the data was acknowledged with the SYN')
    expect(await connected(), 'connections left at the server').to.equal('')
  })
})
