import {execFileSync} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {networkInterfaces} from 'node:os'

import {OverlayError} from '../errors/index.js'
import {sys} from '../kernel/libc.js'
import type {Endpoint} from '../wire/endpoint.js'

/** linux/if_arp.h: devices whose frames begin with an Ethernet header. */
const ETHERNET_TYPES = new Set([1, 772])

/** An interface that programs can be attached to. */
export interface Device {
  name: string
  ifindex: number
  /** Bytes. */
  mtu: number
}

/**
 * Looks an interface up.
 *
 * @throws OverlayError NOT_FOUND; KERNEL_FEATURE_MISSING for one without Ethernet frames (tun, WireGuard)
 */
export function findDevice(name: string): Device {
  const ifindex = sys.if_nametoindex(name)
  if (ifindex === 0) {
    throw new OverlayError('NOT_FOUND', `there is no interface "${name}"`, {
      suggestions: [`interfaces here: ${Object.keys(networkInterfaces()).join(', ')}`],
    })
  }

  const read = (file: string) => Number(readFileSync(`/sys/class/net/${name}/${file}`, 'latin1'))
  if (!ETHERNET_TYPES.has(read('type'))) {
    throw new OverlayError('KERNEL_FEATURE_MISSING', `interface "${name}" does not carry Ethernet frames`, {
      suggestions: ['attach to the Ethernet, VLAN, bond, bridge or veth interface below the tunnel'],
    })
  }

  return {name, ifindex, mtu: read('mtu')}
}

/** How this host reaches an address. */
export interface Route {
  device: string
  /** Who is asked by ARP or neighbour discovery: a router, or the address itself. */
  nextHop: string
  /** The address that the kernel would send from. */
  source: string
}

/**
 * The kernel's route.
 *
 * @param source of packets, where more than one will do
 * @throws OverlayError UNREACHABLE when there is no route
 */
export function routeTo(address: string, source?: string): Route {
  let text: string
  try {
    const words = ['-json', 'route', 'get', address, ...(source === undefined ? [] : ['from', source])]
    text = execFileSync('ip', words, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']})
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new OverlayError('PROGRAM_MISSING', 'the program ip is not installed', {
        suggestions: ['apt-get install iproute2'],
      })
    }

    throw new OverlayError('UNREACHABLE', `there is no route to ${address}`, {
      cause: (error as {stderr?: string}).stderr?.trim(),
      suggestions: ['give --interface, or mend the routing table'],
    })
  }

  const [route] = JSON.parse(text) as {dev: string; gateway?: string; prefsrc?: string}[]
  return {device: route.dev, nextHop: route.gateway ?? address, source: source ?? route.prefsrc ?? ''}
}

/** Whether packets may leave from this address: it is one of this host's (its route is a local one). */
export function isOwnAddress(address: string): boolean {
  try {
    const text = execFileSync('ip', ['-json', 'route', 'get', address], {stdio: ['ignore', 'pipe', 'ignore']})
    const [route] = JSON.parse(text.toString()) as {type?: string}[]
    return route.type === 'local'
  } catch {
    return false
  }
}

/** The interfaces toward these addresses, each once. */
export function devicesToward(addresses: readonly string[]): string[] {
  return [...new Set(addresses.map((address) => routeTo(address).device))].sort()
}

/** The interfaces that hold these addresses; every one but lo for `0.0.0.0` and `::`. */
export function devicesHolding(endpoints: readonly Endpoint[]): string[] {
  const wanted = new Set(endpoints.map((endpoint) => endpoint.address))
  const any = wanted.has('0.0.0.0') || wanted.has('::')
  const found = Object.entries(networkInterfaces())
    .filter(([name, addresses]) => (any ? name !== 'lo' : addresses?.some(({address}) => wanted.has(address))))
    .map(([name]) => name)
  if (found.length === 0) {
    throw new OverlayError('NOT_FOUND', `no interface holds ${[...wanted].join(' or ')}`, {
      suggestions: ['give --interface'],
    })
  }

  return found.sort()
}
