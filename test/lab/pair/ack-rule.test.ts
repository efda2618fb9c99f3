import {expect} from 'chai'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {checkAckRule, type AckRuleResult} from '../../../src/lib/failover/ack-rule.js'
import {ORIGIN_PORTS, PairStage} from '../../../src/lib/failover/stage.js'
import {openPinnedMap} from '../../../src/lib/kernel/bpf-map.js'
import {connect, serve} from '../support/overlay.js'

/** OVERLAY_LONG runs until as many segments were looked at as the rule is to be shown over. */
const SEGMENTS = process.env.OVERLAY_LONG ? 100_000 : 5000

/** Offsets in struct gate_settings. */
const SOLO_AT = 4

describe('no acknowledgement before the backup has the byte', () => {
  let stage: PairStage
  let directory: string

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'overlay-ack-'))
    stage = await PairStage.up({pairs: ['edge'], family: 'ipv4', rttMs: 4, replicationRttMs: 2})
    await serve(stage.lab, 'origin', ORIGIN_PORTS[0])
    await stage.lab.setLink('client-edge', {lossPercent: 1})
  })

  after(async () => {
    await stage?.down()
    rmSync(directory, {recursive: true, force: true})
  })

  /** Connections through the owner while both of its sides are captured. */
  async function observe(count: number): Promise<AckRuleResult> {
    const owner = await stage.paired('edge')
    const host = `edge-${owner}`
    const files = [join(directory, 'peers.pcap'), join(directory, 'link.pcap')] as const
    // Handshakes of the link are wanted too: it is made anew.
    const captures = [
      await stage.lab.capture(host, 'client-edge', files[0], {filter: 'tcp'}),
      await stage.lab.capture(host, 'edge-replication', files[1], {filter: 'tcp'}),
    ]
    const backup = owner === 'a' ? 'b' : 'a'
    stage.signal('edge', backup, 'SIGKILL')
    await stage.until('edge', owner, 'alone', ({solo}) => solo)
    await stage.start('edge', backup)
    await stage.paired('edge')
    const {errors} = await connect(stage.lab, 'client', {
      ...stage.service,
      count,
      parallel: 4,
      bytes: 200_000,
      timeoutMs: 60_000,
    })
    expect(errors).to.deep.equal({})
    for (const capture of captures) await capture.stop()
    return checkAckRule(...files, stage.service.address)
  }

  it('holds under loss, with SACK and timestamps, FINs included', async () => {
    let segments = 0
    while (segments < SEGMENTS) {
      const result = await observe(process.env.OVERLAY_LONG ? 150 : 20)
      expect(result.examples).to.deep.equal([])
      expect(result.checked).to.be.greaterThan(500)
      segments += result.segments
    }
  })

  it('is seen to be broken when the gate is open', async () => {
    const owner = await stage.paired('edge')
    const host = stage.lab.host(`edge-${owner}`)
    const settings = openPinnedMap(join(host.runDir, 'bpf', `overlay-pair-edge-edge-${owner}`, 'gate_settings'))!
    const first = Buffer.alloc(4)
    const open = setInterval(() => {
      const value = Buffer.from(settings.lookup(first)!)
      value.writeUInt32LE(1, SOLO_AT)
      settings.update(first, value)
    }, 5)
    try {
      expect((await observe(10)).violations).to.be.greaterThan(0)
    } finally {
      clearInterval(open)
      settings.close()
    }
  })
})
