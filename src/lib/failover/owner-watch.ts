import {rmSync} from 'node:fs'

import type {LiveCapture} from '../capture/live-capture.js'
import {PcapReader} from '../capture/pcap-reader.js'
import {decodeEthernet, TcpFlag} from '../wire/tcp-segment.js'
import type {PairStage, Region} from './stage.js'

/** Headers are enough. */
const SNAP_LENGTH = 128

/** A packet may be under way for so long beside one that was sent later, on a machine that is busy. */
const ON_THE_WIRE_NS = 50_000_000n

/** Where a region's virtual address is looked at: by its only neighbour on that side. */
const PLACES = {
  edge: {host: 'client', link: 'client-edge', network: 1, number: 20},
  gateway: {host: 'origin', link: 'gateway-origin', network: 3, number: 10},
} as const

/** Watches on the wire which host speaks for a region's virtual address. */
export class OwnerWatch {
  private constructor(
    private readonly capture: LiveCapture,
    private readonly file: string,
    private readonly address: string,
  ) {}

  static async start(stage: PairStage, region: Region): Promise<OwnerWatch> {
    const {host, link, network, number} = PLACES[region]
    const address = stage.address(network, number)
    const file = stage.file(`${region}-owner.pcap`)
    const capture = await stage.lab.capture(host, link, file, {
      filter: `tcp and src host ${address}`,
      snapLength: SNAP_LENGTH,
    })
    return new OwnerWatch(capture, file, address)
  }

  /**
   * Ends it.
   *
   * @returns how often the address changed hosts. SYN/ACKs bind nobody, and the backup sends them: they do not count.
   */
  async stop(): Promise<number> {
    await this.capture.stop()
    let moves = 0
    let speaker = ''
    let before = ''
    let since = 0n
    for (const {data, timeNs} of PcapReader.open(this.file)) {
      const segment = decodeEthernet(data)
      if (segment === null || segment.source !== this.address || (segment.flags & TcpFlag.SYN) !== 0) continue
      const mac = data.toString('latin1', 6, 12)
      if (mac === speaker) continue
      // What the one before had sent already.
      if (mac === before && timeNs - since < ON_THE_WIRE_NS) continue
      if (speaker !== '') moves++
      before = speaker
      speaker = mac
      since = timeNs
    }

    rmSync(this.file, {force: true})
    return moves
  }
}
