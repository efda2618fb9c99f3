import {Flow, type SeenPacket} from '../../../src/lib/probe/flow.js'
import {decodeIpPacket} from '../../../src/lib/wire/ip-packet.js'
import {encodeIp, type CraftedSegment} from '../../../src/lib/wire/tcp-packet.js'
import {decodeTcp, TcpFlag, type TcpSegment} from '../../../src/lib/wire/tcp-segment.js'

export const LOCAL = {address: '10.0.0.1', port: 20_000}
export const REMOTE = {address: '192.0.2.9', port: 7000}

/** What the wire makes of a segment: written and read again. */
export function seen(segment: CraftedSegment): SeenPacket {
  const ip = decodeIpPacket(encodeIp(segment))!
  return {ip, tcp: decodeTcp(ip)!}
}

/** What the other end answers a segment with. */
export type Answer = (tcp: TcpSegment) => Omit<CraftedSegment, 'destination' | 'source'>[]

/** A flow to a peer of the test's own. Each packet takes 10 ms of the capture's time, there and back. */
export function flowTo(answer: Answer): {flow: Flow; sent: TcpSegment[]} {
  const sent: TcpSegment[] = []
  let timeNs = 0n
  const flow = new Flow(
    LOCAL,
    REMOTE,
    async (segment) => {
      const packet = seen(segment)
      sent.push(packet.tcp)
      flow.record({kind: 'sent', timeNs, ...packet})
      for (const part of answer(packet.tcp)) {
        timeNs += 10_000_000n
        flow.record({kind: 'received', timeNs, ...seen({...part, source: REMOTE, destination: LOCAL})})
      }

      return null
    },
    () => {},
  )
  return {flow, sent}
}

/** A SYN/ACK for a SYN. @param sequence its own number */
export const synAckFor = (syn: TcpSegment, sequence: number, more: Partial<CraftedSegment> = {}) => ({
  sequence,
  acknowledgment: (syn.sequence + 1) >>> 0,
  flags: TcpFlag.SYN | TcpFlag.ACK,
  window: 65_535,
  options: {maximumSegmentSize: 1460, timestamps: {value: 7, echo: syn.options.timestamps?.value ?? 0}},
  ...more,
})

export const isSyn = (tcp: TcpSegment): boolean => (tcp.flags & TcpFlag.SYN) !== 0
