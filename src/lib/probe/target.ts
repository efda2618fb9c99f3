import {lookup} from 'node:dns/promises'
import {isIP} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

import {OverlayError} from '../errors/index.js'
import {isOwnAddress} from '../handshake/network-device.js'
import {addressBytes, formatAddress, formatEndpoint, type Endpoint} from '../wire/endpoint.js'

const RESOLVE_DEADLINE_MS = 10_000

/** What is probed. */
export interface Target extends Endpoint {
  /** As it was given, with the port. */
  name: string
}

/**
 * Reads `HOST`, `HOST:PORT`, `ADDRESS`, `[ADDRESS]:PORT` without asking anybody.
 *
 * @param port where none is given
 * @throws OverlayError USAGE
 */
export function parseTarget(text: string, port: number): {host: string; port: number} {
  const usage = (problem: string): OverlayError =>
    new OverlayError('USAGE', `target "${text}": ${problem}`, {
      suggestions: ['write example.net:443, 192.0.2.1:443 or [2001:db8::1]:443'],
    })
  if (isIP(text) === 6 && !text.includes('%')) return {host: text, port}
  const match = /^(?:\[([^\]]*)]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text)
  if (!match) throw usage('not HOST or HOST:PORT')
  const host = match[1] ?? match[2]
  if (match[1] !== undefined && (isIP(host) !== 6 || host.includes('%'))) throw usage(`"${host}" is no IPv6 address`)
  const label = String.raw`[\dA-Za-z_](?:[\w-]{0,61}[\dA-Za-z_])?`
  const isName = host.length <= 253 && new RegExp(String.raw`^${label}(?:\.${label})*\.?$`).test(host)
  if (isIP(host) === 0 && !isName) throw usage('not a host name or address')
  if (isIP(host) === 0 && /^[\d.]+$/.test(host)) throw usage('not an IPv4 address')
  const number = match[3] === undefined ? port : Number(match[3])
  if (number < 1 || number > 65_535) throw usage('a port is 1 to 65535')
  return {host, port: number}
}

/** As addresses of packets are read, which it is compared with: `2001:DB8:0::1` is `2001:db8::1`. */
const canonical = (address: string): string => formatAddress(addressBytes(address))

/**
 * Can packets to these targets leave from this address?
 *
 * @returns the address as packets have it
 * @throws OverlayError USAGE when they cannot
 */
export function checkSource(
  source: string,
  targets: readonly Target[],
  isOwn: (address: string) => boolean = isOwnAddress,
): string {
  const address = canonical(source)
  const family = isIP(address)
  const other = targets.find((target) => isIP(target.address) !== family)
  if (other) {
    throw new OverlayError('USAGE', `--source ${source}: ${other.name} is no IPv${family} target`, {
      suggestions: ['probe targets of the two families in runs of their own', 'names: add --ipv4 or --ipv6'],
    })
  }

  if (isOwn(address)) return address
  throw new OverlayError('USAGE', `--source ${source}: this host has no such address`, {
    suggestions: ['"ip address" lists those that it has'],
  })
}

/**
 * Finds the address of a target.
 *
 * @param family 4 or 6, or 0 for whichever the resolver puts first
 * @throws OverlayError USAGE, NOT_FOUND for a name without an address, UNREACHABLE when the resolver does not answer
 */
export async function resolveTarget(text: string, port: number, family: 0 | 4 | 6): Promise<Target> {
  const parsed = parseTarget(text, port)
  const name = formatEndpoint({address: parsed.host, port: parsed.port})
  const known = isIP(parsed.host)
  if (known !== 0) {
    if (family !== 0 && known !== family) {
      throw new OverlayError('USAGE', `target "${text}" is no IPv${family} address`)
    }

    return {name, address: canonical(parsed.host), port: parsed.port}
  }

  const late = new AbortController()
  try {
    const found = await Promise.race([
      lookup(parsed.host, {family}),
      sleep(RESOLVE_DEADLINE_MS, null, {signal: late.signal}),
    ])
    if (found === null) {
      throw new OverlayError(
        'UNREACHABLE',
        `the resolver did not answer for ${parsed.host} in ${RESOLVE_DEADLINE_MS} ms`,
      )
    }

    return {name, address: canonical(found.address), port: parsed.port}
  } catch (error) {
    if (error instanceof OverlayError) throw error
    const {code} = error as NodeJS.ErrnoException
    const again = code === 'EAI_AGAIN'
    throw new OverlayError(
      again ? 'UNREACHABLE' : 'NOT_FOUND',
      again
        ? `the resolver does not answer for ${parsed.host}`
        : `${parsed.host} has no ${family === 0 ? '' : `IPv${family} `}address`,
      {cause: code, suggestions: ['give an address, or look at /etc/resolv.conf']},
    )
  } finally {
    late.abort()
  }
}
