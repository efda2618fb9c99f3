import {expect} from 'chai'

import {renderLog, renderRates} from '../../../src/lib/relay/render.js'
import type {InstanceStatus} from '../../../src/lib/relay/supervisor.js'

function status(given: Partial<InstanceStatus>, accepted: number, bytes: number): InstanceStatus {
  const connections = {accepted, served: accepted}
  const all = {fromClients: bytes, toClients: 2 * bytes, fromEdges: bytes, toEdges: 2 * bytes}
  return {
    role: 'edge',
    pid: 1,
    restarts: 0,
    uptimeMs: 1000,
    traffic: {connections, bytes: all},
    ...given,
  } as InstanceStatus
}

describe('the status from one look to the next', () => {
  it('says what came in between, a second', () => {
    for (const [role, words] of [
      ['edge', '5 accepted, 500 bytes from clients, 1000 to clients'],
      ['gateway', '5 served, 500 bytes from edges, 1000 to edges'],
    ] as const) {
      const text = renderRates(status({role}, 10, 1000), status({role, uptimeMs: 3000}, 20, 2000))
      expect(text).to.equal(`a second, since the last look: ${words}`)
    }
  })

  it('says nothing of another process, of one whose counts began anew, or of no time', () => {
    const before = status({}, 10, 1000)
    expect(renderRates(before, status({pid: 2, uptimeMs: 3000}, 20, 2000))).to.equal(null)
    expect(renderRates(before, status({restarts: 1, uptimeMs: 3000}, 5, 500))).to.equal(null)
    expect(renderRates(before, before)).to.equal(null)
  })

  it('a log line names the connection that it is about', () => {
    const line = {
      level: 'warning',
      kind: 'origin',
      message: 'it failed',
      flow: '9f86d081884c7d65-1',
      suppressed: 0,
    } as const
    expect(renderLog(line, 'edge', 'a', false)).to.contain('edge "a" warning: flow 9f86d081884c7d65-1: it failed')
    expect(JSON.parse(renderLog(line, 'edge', 'a', true))).to.include({flow: '9f86d081884c7d65-1'})
    expect(renderLog({...line, flow: undefined}, 'edge', 'a', false)).to.contain('warning: it failed')
  })
})
