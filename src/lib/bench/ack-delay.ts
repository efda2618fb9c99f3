import {PcapReader} from '../capture/pcap-reader.js'
import {decodeEthernet, TcpFlag} from '../wire/tcp-segment.js'

/**
 * How long a sender waits for the acknowledgement of its segments, seen where it sends: for each acknowledgement the time
 * since the last segment that it covers for the first time. Retransmitted segments count from their first sending.
 *
 * @param file a capture of one connection
 * @param sender its address
 * @returns ms
 */
export function ackDelays(file: string, sender: string): number[] {
  const delays: number[] = []
  let waiting: {end: number; at: bigint}[] = []
  for (const {data, timeNs} of PcapReader.open(file)) {
    const segment = decodeEthernet(data)
    if (segment === null || (segment.flags & (TcpFlag.SYN | TcpFlag.RST)) !== 0) continue
    if (segment.source === sender) {
      const end = (segment.sequence + segment.payloadLength) >>> 0
      if (segment.payloadLength > 0 && !waiting.some((each) => each.end === end)) waiting.push({end, at: timeNs})
      continue
    }

    const covered = waiting.filter(({end}) => ((segment.acknowledgment - end) | 0) >= 0)
    if (covered.length === 0) continue
    waiting = waiting.filter((each) => !covered.includes(each))
    delays.push(Number(timeNs - covered.at(-1)!.at) / 1e6)
  }

  return delays
}
