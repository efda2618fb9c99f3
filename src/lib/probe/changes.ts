import type {QuotedSegment} from '../wire/icmp.js'
import {TcpFlag, type TcpOptions} from '../wire/tcp-segment.js'
import type {SeenPacket} from './flow.js'

/** What the path did to a packet, by the name of it. */
export interface Change {
  name: string
  sent: number | string | null
  arrived: number | string | null
}

/** The fields of a packet that are compared; null where they are not known. */
export interface Fields {
  source: string
  destination: string
  sourcePort: number
  destinationPort: number
  trafficClass: number
  hopLimit: number
  sequence: number
  acknowledgment: number | null
  flags: number | null
  window: number | null
  payloadLength: number | null
  options: TcpOptions | null
}

export function fieldsOf({ip, tcp}: SeenPacket): Fields {
  return {...tcp, trafficClass: ip.trafficClass, hopLimit: ip.hopLimit}
}

/** Of a packet that a router quotes: what it quotes of it. */
export function fieldsOfQuote(quoted: QuotedSegment): Fields {
  const {ip} = quoted
  const {source, destination, trafficClass, hopLimit} = ip
  return {...quoted, source, destination, trafficClass, hopLimit, payloadLength: null}
}

const endpoint = (address: string, port: number): string => `${address} port ${port}`

const ECN_BITS = 3
const ECN_FLAGS = TcpFlag.ECE | TcpFlag.CWR

/**
 * What is different in a packet that arrived, by name. A hop limit that fell is none; one that grew is. Pure.
 *
 * @param sent as it left; everything known
 */
export function changesBetween(sent: Fields, arrived: Fields): Change[] {
  const changes: Change[] = []
  const differ = <T extends number | string>(name: string, before: T | null, after: T | null): void => {
    if (before !== null && after !== null && before !== after) changes.push({name, sent: before, arrived: after})
  }

  differ('nat-source', endpoint(sent.source, sent.sourcePort), endpoint(arrived.source, arrived.sourcePort))
  differ(
    'nat-destination',
    endpoint(sent.destination, sent.destinationPort),
    endpoint(arrived.destination, arrived.destinationPort),
  )
  differ('dscp-rewritten', sent.trafficClass >> 2, arrived.trafficClass >> 2)
  differ('ecn-bits-rewritten', sent.trafficClass & ECN_BITS, arrived.trafficClass & ECN_BITS)
  if (arrived.hopLimit > sent.hopLimit) differ('ttl-rewritten', sent.hopLimit, arrived.hopLimit)
  differ('sequence-rewritten', sent.sequence, arrived.sequence)
  const bare = sent.flags !== null && (sent.flags & TcpFlag.ACK) === 0
  differ(bare ? 'ack-field-rewritten' : 'acknowledgment-rewritten', sent.acknowledgment, arrived.acknowledgment)
  if (sent.flags !== null && arrived.flags !== null) {
    differ('ecn-flags-rewritten', sent.flags & ECN_FLAGS, arrived.flags & ECN_FLAGS)
    differ('flags-rewritten', sent.flags & ~ECN_FLAGS, arrived.flags & ~ECN_FLAGS)
  }

  differ('window-rewritten', sent.window, arrived.window)
  differ('data-stripped', sent.payloadLength, arrived.payloadLength)
  if (sent.options && arrived.options) changes.push(...optionChanges(sent.options, arrived.options))
  return changes
}

/** Each option's value as text or number; undefined where it is absent. */
const OPTION_VALUES: Record<string, (options: TcpOptions) => number | string | undefined> = {
  mss: (options) => options.maximumSegmentSize,
  sack: (options) => (options.sackPermitted ? 'permitted' : undefined),
  timestamps: (options) => options.timestamps && `${options.timestamps.value}/${options.timestamps.echo}`,
  'window-scale': (options) => options.windowScale,
  'fast-open': (options) => options.fastOpenCookie && Buffer.from(options.fastOpenCookie).toString('hex'),
}

function optionChanges(sent: TcpOptions, arrived: TcpOptions): Change[] {
  const stripped: Change[] = []
  const others: Change[] = []
  let offered = 0
  for (const [name, value] of Object.entries(OPTION_VALUES)) {
    const before = value(sent)
    const after = value(arrived)
    if (before !== undefined) offered++
    if (before === after) continue
    if (after === undefined) stripped.push({name: `${name}-stripped`, sent: before!, arrived: null})
    else if (before === undefined) others.push({name: `${name}-added`, sent: null, arrived: after})
    else if (name === 'mss' && after < before) others.push({name: 'mss-clamped', sent: before, arrived: after})
    else others.push({name: `${name}-rewritten`, sent: before, arrived: after})
  }

  if (offered > 1 && stripped.length === offered) {
    const names = stripped.map(({name}) => name.replace('-stripped', '')).join(', ')
    return [{name: 'options-stripped', sent: names, arrived: null}, ...others]
  }

  return [...stripped, ...others]
}

/**
 * The packet among `seen` that is the one that was sent, whatever was done to it on the way; null when none can be. A
 * probe's windows are random, so one says which packet it is; so do sequence number and length together. Pure.
 */
export function matching(sent: Fields, seen: readonly Fields[]): Fields | null {
  let best: Fields | null = null
  let bestScore = 3
  for (const one of seen) {
    const sameWindow = one.window === sent.window
    const sameSequence = one.sequence === sent.sequence
    const sameLength = one.payloadLength === sent.payloadLength
    if (((one.flags ?? 0) & TcpFlag.SYN) !== ((sent.flags ?? 0) & TcpFlag.SYN)) continue
    if (!sameWindow && !(sameSequence && sameLength)) continue
    const sameClock = one.options?.timestamps?.value === sent.options?.timestamps?.value
    const samePorts = one.sourcePort === sent.sourcePort && one.destinationPort === sent.destinationPort
    const score =
      (sameWindow ? 2 : 0) +
      (sameSequence ? 2 : 0) +
      (sameClock ? 1 : 0) +
      (samePorts ? 1 : 0) +
      (one.flags === sent.flags && sameLength ? 1 : 0)
    if (score > bestScore) {
      best = one
      bestScore = score
    }
  }

  return best
}
