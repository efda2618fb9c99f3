import {copyFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'

import {readCapture} from '../capture/capture-reader.js'
import type {LiveCapture} from '../capture/live-capture.js'
import type {PacketSink} from '../capture/packet-sink.js'
import {OverlayError} from '../errors/index.js'
import {decodeEthernet, TcpFlag} from '../wire/tcp-segment.js'
import type {PairStage, Region} from './stage.js'

/** Headers are enough. */
const SNAP_LENGTH = 128

/** A packet may be under way for so long beside one that was sent later, on a machine that is busy. */
const ON_THE_WIRE_MS = 50

/** Where a region's virtual addresses are looked at: by their only neighbours. */
const PLACES = {
  edge: {host: 'client', link: 'client-edge', network: 1, number: 20},
  gateway: {host: 'origin', link: 'gateway-origin', network: 3, number: 10},
} as const

/** The same on the middle leg, where only a single neighbour sees everything. */
const MIDDLE_PLACES = {
  edge: {host: 'gateway', link: 'edge-gateway', network: 2, number: 10},
  gateway: {host: 'edge', link: 'edge-gateway', network: 2, number: 20},
} as const

/** Watches on the wire which host speaks for a region's virtual address. */
export class OwnerWatch {
  private constructor(
    private readonly capture: LiveCapture,
    private readonly file: string,
    private readonly address: string,
    private readonly name: string,
  ) {}

  /** @param middle on the middle leg, and not on the other one */
  static async start(stage: PairStage, region: Region, middle = false): Promise<OwnerWatch> {
    const {host, link, network, number} = (middle ? MIDDLE_PLACES : PLACES)[region]
    const address = stage.address(network, number)
    const name = `${region}-${link}`
    const file = stage.file(`${name}.pcap`)
    const capture = await stage.lab.capture(host, link, file, {
      filter: `tcp and host ${address}`,
      snapLength: SNAP_LENGTH,
    })
    return new OwnerWatch(capture, file, address, name)
  }

  /**
   * Ends it; the capture stays until it is discarded.
   *
   * @returns how often the address changed hosts. SYN/ACKs bind nobody, and the backup sends them: they do not count.
   */
  async stop(): Promise<number> {
    await this.capture.stop()
    const speakers = new Speakers(this.address)
    const {problems} = await readCapture(this.file, speakers)
    if (problems.length > 0) throw new OverlayError('INPUT_INVALID', `${this.file}: ${problems[0].problem}`)
    return speakers.moves
  }

  /** Puts a copy of the capture into a directory. */
  keep(directory: string): void {
    copyFileSync(this.file, join(directory, `${this.name}.pcap`))
  }

  discard(): void {
    rmSync(this.file, {force: true})
  }
}

/** Counts how often an address changes the host that speaks for it. Pure; captures of hours go through it. */
export class Speakers implements PacketSink {
  moves = 0
  #speaker = ''
  #before = ''
  #since = 0

  /** @param address as {@link decodeEthernet} spells it */
  constructor(private readonly address: string) {}

  packet(
    bytes: Buffer,
    at: number,
    length: number,
    _originalLength: number,
    _linkType: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    const frame = bytes.subarray(at, at + length)
    const segment = decodeEthernet(frame)
    if (segment === null || segment.source !== this.address || (segment.flags & TcpFlag.SYN) !== 0) return
    const mac = frame.toString('latin1', 6, 12)
    if (mac === this.#speaker) return
    const now = seconds * 1000 + nanoseconds / 1e6
    // What the one before had sent already.
    if (mac === this.#before && now - this.#since < ON_THE_WIRE_MS) return
    if (this.#speaker !== '') this.moves++
    this.#before = this.#speaker
    this.#speaker = mac
    this.#since = now
  }
}
