import {expect} from 'chai'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {PcapReader} from '../../../src/lib/capture/pcap-reader.js'
import type {GatewayPlaneStatus} from '../../../src/lib/handshake/gateway-plane.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import type {GatewayTraffic} from '../../../src/lib/relay/status-report.js'
import {connect, newSecret, overlay, Scratch, serve} from '../support/overlay.js'
import {addresses, startOverlay} from '../support/pair.js'

const ORIGIN_PORT = 9000
const GATEWAY_PORT = 7000
const ETHERNET = 14
const REPLAYER = fileURLToPath(new URL('../support/replayer.mjs', import.meta.url))

describe('a recorded zero-RTT opening with its preamble, played again', () => {
  const scratch = new Scratch()
  const keys = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
  let lab: Lab

  before(async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: 40}}}, {owned: true})
    const at = addresses(lab)
    await serve(lab, 'origin', ORIGIN_PORT)
    await startOverlay(
      lab,
      'gateway',
      'gateway',
      'start',
      `--listen=${at.gateway}:${GATEWAY_PORT}`,
      `--key-file=${keys}`,
      '--processes=1',
      `--allow-origin=${at.origin}:${ORIGIN_PORT}`,
    )
    await startOverlay(
      lab,
      'edge',
      'edge',
      'start',
      `--listen=${at.edge}:8000`,
      `--origin=${at.origin}:${ORIGIN_PORT}`,
      `--gateway=${at.gateway}:${GATEWAY_PORT}`,
      `--key-file=${keys}`,
      '--processes=1',
      '--health-interval=1h',
    )
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  it('opens a connection at the gateway, and nothing at the origin', async () => {
    const file = join(scratch.path, 'opening.pcap')
    const at = addresses(lab)
    const edge = lab.host('edge').interfaces['edge-gateway']!.ipv4
    const filter = `src host ${edge} and tcp dst port ${GATEWAY_PORT}`
    const capture = await lab.capture('edge', 'edge-gateway', file, {filter})
    const {ok} = await connect(lab, 'client', {address: at.edge, port: 8000})
    expect(ok).to.equal(1)
    await capture.stop()

    type Status = {traffic: GatewayTraffic; handshake: GatewayPlaneStatus}
    const before = await overlay<Status>(lab, 'gateway', 'gateway', 'status')
    const packets = [...PcapReader.open(file)].map(({data}) => data.subarray(ETHERNET).toString('hex'))
    // The opening: SYN, first ACK, preamble and request. Without what closed the connection.
    const {code, stderr} = await lab.exec('edge', [process.execPath, REPLAYER, at.gateway, ...packets.slice(0, 3)])
    expect(code, stderr).to.equal(0)
    // The gateway says why it refuses, and gives the edge two seconds to close.
    await new Promise((resolve) => setTimeout(resolve, 2500))

    const after = await overlay<Status>(lab, 'gateway', 'gateway', 'status')
    const made = ({handshake: {counters}}: Status) => counters.synAccepted + counters.dataAccepted
    expect(made(after)).to.equal(made(before) + 1)
    expect(after.traffic.refused).to.deep.equal({...before.traffic.refused, duplicate: 1})
    expect(after.traffic.connections.served).to.equal(before.traffic.connections.served)
    expect(after.traffic.connections.live).to.equal(0)
  })
})
