import {isIPv4, isIPv6} from 'node:net'

import {OverlayError} from '../errors/index.js'
import {addressBytes} from '../wire/endpoint.js'

interface Rule {
  /** 16 bytes, IPv4 as IPv4-mapped. */
  readonly address: Buffer
  /** Of 128 bits. */
  readonly bits: number
  readonly firstPort: number
  readonly lastPort: number
}

/** The origins that a gateway may connect to. Pure. */
export class OriginAllowList {
  private readonly rules: readonly Rule[]

  /**
   * @param texts `ADDR:PORT`, `ADDR/LEN:PORT`, `[ADDR6]:PORT`, `[ADDR6/LEN]:PORT`; PORT is a number, a range `8000-8099`
   * or `*`
   * @param what names the value in errors
   * @throws OverlayError USAGE
   */
  constructor(
    readonly texts: readonly string[],
    what: string,
  ) {
    this.rules = texts.map((text) => parseRule(text, what))
  }

  /** @param address 16 bytes, IPv4 as IPv4-mapped */
  allows(address: Buffer, port: number): boolean {
    for (const rule of this.rules) {
      if (port >= rule.firstPort && port <= rule.lastPort && sharesPrefix(address, rule.address, rule.bits)) return true
    }

    return false
  }
}

function sharesPrefix(a: Buffer, b: Buffer, bits: number): boolean {
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const rest = bits & 7
  return rest === 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest)) & 0xff) === 0
}

function parseRule(text: string, what: string): Rule {
  const match =
    /^\[([^\]/]+)(?:\/(\d{1,3}))?](?:\/(\d{1,3}))?:(\*|\d{1,5}(?:-\d{1,5})?)$/.exec(text) ??
    /^([\d.]+)(?:\/(\d{1,2}))?():(\*|\d{1,5}(?:-\d{1,5})?)$/.exec(text)
  const address = match?.[1] ?? ''
  const v4 = isIPv4(address)
  const lengthText = match?.[2] ?? (match?.[3] || undefined)
  const width = v4 ? 32 : 128
  const length = lengthText === undefined ? width : Number(lengthText)
  const [firstPort, lastPort] = parsePorts(match?.[4] ?? '')
  const goodAddress = match !== null && (text.startsWith('[') ? isIPv6(address) && !address.includes('%') : v4)
  if (!goodAddress || length > width || firstPort < 1 || lastPort > 65_535 || firstPort > lastPort) {
    throw new OverlayError('USAGE', `${what}: "${text}" is not ADDRESS[/LENGTH]:PORT`, {
      suggestions: ['write 10.0.0.0/8:443, [fd00::/8]:443, 192.0.2.7:8000-8099 or 192.0.2.7:*'],
    })
  }

  return {address: addressBytes(address), bits: v4 ? 96 + length : length, firstPort, lastPort}
}

function parsePorts(text: string): [number, number] {
  if (text === '*') return [1, 65_535]
  const [first, last = first] = text.split('-').map(Number)
  return [first, last]
}
