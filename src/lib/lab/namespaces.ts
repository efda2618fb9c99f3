import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {disableOffloads, insideNamespace} from '../kernel/network-namespace.js'
import type {HostInterface, HostPlan, LabPlan, LinkPlan, SidePlan} from './plan.js'
import {runProgram} from './program.js'

/** Makes the namespaces of the lab, with nothing in them. */
export async function createNamespaces(plan: LabPlan): Promise<void> {
  await batch(
    null,
    [...plan.hosts.map((host) => host.namespace), plan.wire].map((name) => `netns add ${name}`),
  )
}

/** Deletes those of the namespaces that exist, with every interface in them. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  const present = names.filter((name) => existsSync(`/run/netns/${name}`))
  await batch(
    null,
    present.map((name) => `netns del ${name}`),
  )
}

/**
 * Cables, bridges, addresses, routes and settings; the namespaces exist and are empty.
 *
 * @param offloads interfaces keep segmentation and checksum offload: no engine looks at single frames
 */
export async function furnish(plan: LabPlan, congestionControl: string | undefined, offloads: boolean): Promise<void> {
  insideNamespace(plan.wire, () => writeSettings(WIRE_SETTINGS))
  for (const host of plan.hosts) {
    insideNamespace(host.namespace, () => {
      writeSettings(hostSettings(host))
      if (congestionControl) chooseCongestionControl(congestionControl)
    })
  }

  await batch(
    plan.wire,
    plan.links.flatMap((link) => wireCommands(link, plan)),
  )
  insideNamespace(plan.wire, () => {
    for (const name of offloads ? [] : plan.links.flatMap((link) => wireInterfaces(link))) disableOffloads(name)
  })
  await Promise.all(
    plan.hosts.map(async (host) => {
      insideNamespace(host.namespace, () => {
        for (const {name} of offloads ? [] : Object.values(host.interfaces)) disableOffloads(name)
      })
      await batch(host.namespace, hostCommands(host, plan))
    }),
  )
}

/** Commands for `ip -batch` in the wire namespace that make one link's cables, all of them up. */
export function wireCommands(link: LinkPlan, plan: LabPlan): string[] {
  return [link.near, link.far].flatMap((side) => sideCommands(link, side, plan))
}

function sideCommands(link: LinkPlan, side: SidePlan, plan: LabPlan): string[] {
  const {lineInterface, bridge} = side
  const commands: string[] = []
  if (bridge) {
    commands.push(
      `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set ${bridge} up`,
      `link add ${lineInterface} type veth peer name ${bridge}-line`,
      `link set ${bridge}-line master ${bridge} up`,
      `link set ${lineInterface} up`,
    )
  }

  for (const [member, hostName] of side.hosts.entries()) {
    const host = plan.hosts.find(({name}) => name === hostName)!
    const {name, mac} = host.interfaces[link.name]!
    const wireEnd = bridge ? `${bridge}-${member}` : lineInterface
    commands.push(`link add ${wireEnd} type veth peer name ${name} address ${mac} netns ${host.namespace}`)
    if (bridge) commands.push(`link set ${wireEnd} master ${bridge}`)
    commands.push(`link set ${wireEnd} up`)
  }

  return commands
}

function wireInterfaces(link: LinkPlan): string[] {
  return [link.near, link.far].flatMap(({bridge, hosts, lineInterface}) =>
    bridge ? [lineInterface, `${bridge}-line`, ...hosts.map((_, member) => `${bridge}-${member}`)] : [lineInterface],
  )
}

/** Commands for `ip -batch` in a host: interfaces up, addresses, neighbours, routes. */
export function hostCommands(host: HostPlan, plan: LabPlan): string[] {
  const commands = ['link set lo up']
  for (const [linkName, own] of Object.entries(host.interfaces)) {
    commands.push(
      `addr add ${own.ipv4}/24 dev ${own.name}`,
      `addr add ${own.ipv6}/64 dev ${own.name} nodad`,
      `link set ${own.name} up`,
    )
    for (const peer of peersOn(linkName, host, plan)) {
      // As after an earlier conversation: used at once, checked when used, replaced by a gratuitous ARP.
      for (const address of [peer.ipv4, peer.ipv6]) {
        commands.push(`neigh add ${address} lladdr ${peer.mac} dev ${own.name} nud stale`)
      }
    }
  }

  for (const {to, via} of host.routes) commands.push(`route add ${to} via ${via}`)
  return commands
}

function peersOn(linkName: string, host: HostPlan, plan: LabPlan): HostInterface[] {
  return plan.hosts.filter(({name}) => name !== host.name).flatMap(({interfaces}) => interfaces[linkName] ?? [])
}

/** The wire carries frames and has no voice of its own. */
const WIRE_SETTINGS = {'ipv6/conf/all/disable_ipv6': '1', 'ipv6/conf/default/disable_ipv6': '1'}

/** Settings below /proc/sys/net, written before the host has an interface, so that each starts with them. */
export function hostSettings(host: HostPlan): Record<string, string> {
  const forwards = host.forwards ? '1' : '0'
  return {
    'ipv4/ip_forward': forwards,
    'ipv6/conf/all/forwarding': forwards,
    'ipv4/conf/all/rp_filter': '0',
    'ipv4/conf/default/rp_filter': '0',
    'ipv4/conf/all/send_redirects': '0',
    'ipv4/conf/default/send_redirects': '0',
    'ipv6/conf/default/accept_ra': '0',
    'ipv6/conf/default/autoconf': '0',
    'ipv6/conf/default/router_solicitations': '0',
    'ipv6/conf/default/accept_dad': '0',
    'ipv4/tcp_rmem': '4096 131072 33554432',
    'ipv4/tcp_wmem': '4096 131072 33554432',
  }
}

function writeSettings(settings: Record<string, string>): void {
  for (const [path, value] of Object.entries(settings)) writeFileSync(join('/proc/sys/net', path), value)
}

function chooseCongestionControl(name: string): void {
  try {
    writeSettings({'ipv4/tcp_congestion_control': name})
  } catch (error) {
    const known = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'latin1').trim()
    throw new OverlayError('KERNEL_FEATURE_MISSING', `this kernel has no congestion control ${name}`, {
      cause: (error as NodeJS.ErrnoException).code,
      suggestions: [`choose one of: ${known.replaceAll(' ', ', ')}`, `modprobe tcp_${name}`],
    })
  }
}

async function batch(namespace: string | null, commands: readonly string[]): Promise<void> {
  if (commands.length === 0) return
  await runProgram('ip', [...(namespace ? ['-n', namespace] : []), '-batch', '-'], commands.join('\n') + '\n')
}
