import {isIPv6} from 'node:net'

import {OverlayError} from '../errors/index.js'
import {isFlowId} from './flow-id.js'
import type {FlowFilterTexts} from './flow-schema.js'
import {OriginAllowList} from './origin-allow-list.js'

/** Addresses that a person asked for. */
export class AddressFilter {
  readonly #rules: OriginAllowList

  /**
   * @param text `ADDRESS`, `ADDRESS/LENGTH`, `ADDRESS:PORT` or `ADDRESS/LENGTH:PORT`; with a port IPv6 stands in brackets
   * @param what names the value in errors
   * @throws OverlayError USAGE
   */
  constructor(text: string, what: string) {
    try {
      this.#rules = new OriginAllowList([withPort(text)], what)
    } catch {
      throw new OverlayError('USAGE', `${what}: "${text}" is not ADDRESS, ADDRESS/LENGTH or ADDRESS:PORT`, {
        suggestions: ['write 192.0.2.7, 192.0.2.0/24, 192.0.2.7:443, fd00::7, fd00::/8 or [fd00::7]:443'],
      })
    }
  }

  /** @param address 16 bytes, IPv4 as IPv4-mapped */
  fits(address: Buffer, port: number): boolean {
    return this.#rules.allows(address, port)
  }
}

/** The same with any port when none is given. */
function withPort(text: string): string {
  if (isIPv6(text.split('/', 1)[0])) return `[${text}]:*`
  const port = text.startsWith('[') ? /](?:\/\d+)?:/.test(text) : text.includes(':')
  return port ? text : `${text}:*`
}

/** Which connections are asked for; null stands for any. Pure. */
export class FlowFilter {
  readonly service: string | null
  readonly flow: string | null
  readonly client: AddressFilter | null
  readonly edge: AddressFilter | null
  readonly gateway: AddressFilter | null
  readonly origin: AddressFilter | null

  /** @throws OverlayError USAGE */
  constructor({service, flow, client, edge, gateway, origin}: FlowFilterTexts) {
    if (flow !== undefined && !isFlowId(flow)) {
      throw new OverlayError('USAGE', `--flow: "${flow}" is not the id of a flow`, {
        suggestions: ['write it as the list and logs have it, e.g. 9f86d081884c7d65-42'],
      })
    }

    this.service = service ?? null
    this.flow = flow ?? null
    this.client = address(client, '--client')
    this.edge = address(edge, '--edge')
    this.gateway = address(gateway, '--gateway')
    this.origin = address(origin, '--origin')
  }
}

/** @throws OverlayError USAGE */
export function flowFilter(texts: FlowFilterTexts): FlowFilter {
  return new FlowFilter(texts)
}

function address(text: string | undefined, what: string): AddressFilter | null {
  return text === undefined ? null : new AddressFilter(text, what)
}
