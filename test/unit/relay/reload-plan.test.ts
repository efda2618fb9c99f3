import {expect} from 'chai'

import {edgeSettings} from '../../../src/lib/config/relay-settings.js'
import type {PairConfig} from '../../../src/lib/pair/pair-config.js'
import type {EdgeConfig} from '../../../src/lib/relay/process-config.js'
import {planReload} from '../../../src/lib/relay/reload-plan.js'

const edge = (listen: string, gateway: string[], more: object = {}): EdgeConfig =>
  edgeSettings({name: 'e', 'key-file': 'k', listen, origin: '192.0.2.1:1', gateway, ...more}).config

describe('what a reload applies', () => {
  const running = edge('192.0.2.9:80', ['192.0.2.2:7000'])

  it('takes over what it can and leaves the rest', () => {
    const wanted = edge('192.0.2.9:81', ['192.0.2.3:7000'], {'idle-timeout': '5s', 'congestion-control': 'reno'})
    const changed = ['edge.congestionControl', 'edge.idleTimeout', 'edge.services.0.gateways', 'edge.services.0.listen']
    const plan = planReload(running, wanted, changed)
    expect(plan.applied).to.deep.equal(changed.slice(1))
    expect(plan.restart).to.deep.equal(changed.slice(0, 1))
    expect(plan.config).to.deep.equal({...wanted, congestionControl: null})
  })

  it('of a pair only what its programs in the kernel need not know', () => {
    const pair = {} as PairConfig
    const moved = edge('192.0.2.9:81', ['192.0.2.3:7000'], {'idle-timeout': '5s'})
    const changed = ['edge.idleTimeout', 'edge.services.0.gateways', 'edge.services.0.listen']
    const plan = planReload({...running, pair}, moved, changed)
    expect(plan.applied).to.deep.equal(['edge.idleTimeout'])
    expect(plan.restart).to.deep.equal(changed.slice(1))
    expect(plan.config).to.deep.equal({...running, pair, limits: moved.limits})
    const dialled = edge('192.0.2.9:80', ['192.0.2.3:7000'])
    expect(planReload({...running, pair}, dialled, ['edge.services.0.gateways']).restart).to.deep.equal([])
  })
})
