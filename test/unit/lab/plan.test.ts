import {expect} from 'chai'

import {hostCommands, hostSettings, wireCommands} from '../../../src/lib/lab/namespaces.js'
import {planLab} from '../../../src/lib/lab/plan.js'

const seeds = (seed?: number): number[] => planLab({seed}, 'x').links.map(({towardsFar}) => towardsFar.seed)

describe('lab plan', () => {
  it('has four hosts and three links', () => {
    const plan = planLab({}, 'abc123')
    expect(plan.hosts.map(({namespace}) => namespace)).to.deep.equal([
      'ov-abc123-client',
      'ov-abc123-edge',
      'ov-abc123-gateway',
      'ov-abc123-origin',
    ])
    expect(plan.wire).to.equal('ov-abc123-wire')
    expect(
      plan.links.map(({name, towardsFar, towardsNear}) => [name, towardsFar.delayMs, towardsNear.delayMs]),
    ).to.deep.equal([
      ['client-edge', 5, 5],
      ['edge-gateway', 40, 40],
      ['gateway-origin', 1, 1],
    ])
    expect(plan.hosts[1].interfaces['edge-gateway']).to.deep.equal({
      name: 'to-gateway',
      mac: '02:6f:76:00:02:0b',
      ipv4: '10.77.2.11',
      ipv6: 'fd77:2::11',
    })
  })

  it('routes from end to end through edge and gateway, and nowhere else', () => {
    const [client, edge, gateway, origin] = planLab({}, 'x').hosts
    expect(client.routes).to.deep.equal([
      {to: 'default', via: '10.77.1.21'},
      {to: 'default', via: 'fd77:1::21'},
    ])
    expect(edge.routes[0]).to.deep.equal({to: '10.77.3.0/24', via: '10.77.2.21'})
    expect(gateway.routes[1]).to.deep.equal({to: 'fd77:1::/64', via: 'fd77:2::11'})
    expect(origin.routes[0]).to.deep.equal({to: 'default', via: '10.77.3.11'})
    expect([client, edge, gateway, origin].map(({forwards}) => forwards)).to.deep.equal([false, true, true, false])
    expect(hostSettings(edge)).to.include({'ipv4/ip_forward': '1', 'ipv4/conf/default/rp_filter': '0'})
  })

  it('puts pairs on a bridge, with a replication link between the members', () => {
    const plan = planLab({pairs: ['edge'], links: {'edge-replication': {rttMs: 10}}}, 'x')
    expect(plan.hosts.map(({name}) => name)).to.deep.equal(['client', 'edge-a', 'edge-b', 'gateway', 'origin'])
    const edgeB = plan.hosts[2]
    expect(Object.keys(edgeB.interfaces)).to.deep.equal(['client-edge', 'edge-gateway', 'edge-replication'])
    expect(edgeB.interfaces['edge-replication']).to.include({name: 'to-edge-a', ipv4: '10.77.4.21'})
    const link = plan.links.find(({name}) => name === 'edge-replication')!
    expect([link.near.name, link.far.name, link.towardsFar.delayMs]).to.deep.equal(['edge-a', 'edge-b', 5])
    const commands = wireCommands(plan.links[0], plan)
    expect(commands).to.include('link add br1f type bridge stp_state 0 forward_delay 0 mcast_snooping 0')
    expect(commands).to.include(
      'link add br1f-1 type veth peer name to-client address 02:6f:76:00:01:16 netns ov-x-edge-b',
    )
    expect(hostCommands(plan.hosts[0], plan)).to.include(
      'neigh add fd77:1::22 lladdr 02:6f:76:00:01:16 dev to-edge nud stale',
    )
  })

  it('has interface names that the kernel takes: at most 15 bytes', () => {
    const plan = planLab({pairs: ['edge', 'gateway']}, 'x')
    const inHosts = plan.hosts.flatMap(({interfaces}) => Object.values(interfaces).map(({name}) => name))
    const onWire = plan.links.flatMap((link) => wireCommands(link, plan)).map((command) => command.split(' ')[2])
    for (const name of [...inHosts, ...onWire]) expect(name.length, name).to.be.at.most(15)
  })

  it('gives each direction its own parameters', () => {
    const towards = {gateway: {lossPercent: 3, delayMs: 50}}
    const [, link] = planLab({links: {'edge-gateway': {rttMs: 80, jitterMs: 2, towards}}}, 'x').links
    expect(link.towardsFar).to.include({delayMs: 50, jitterMs: 2, lossPercent: 3})
    expect(link.towardsNear).to.include({delayMs: 40, jitterMs: 2, lossPercent: 0})
  })

  it('gives each link its own seed, from that of the lab', () => {
    expect(new Set(seeds()).size).to.equal(3)
    expect(seeds(1)).to.deep.equal(seeds())
    expect(seeds(2)).to.not.deep.equal(seeds(1))
  })

  it('refuses a side or a replication link that is not there', () => {
    expect(() => planLab({links: {'edge-gateway': {towards: {origin: {}}}}}, 'x')).to.throw('towards.origin')
    expect(() => planLab({links: {'gateway-replication': {}}}, 'x')).to.throw('no such link')
  })
})
