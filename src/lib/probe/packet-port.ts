import {randomInt} from 'node:crypto'

import {PcapStream} from '../kernel/pcap-stream.js'
import {ReservedPorts} from '../kernel/reserved-ports.js'
import type {Endpoint} from '../wire/endpoint.js'
import {decodeIcmpError, decodeIcmpMessage, type IcmpError} from '../wire/icmp.js'
import {decodeIpPacket} from '../wire/ip-packet.js'
import {ipOfFrame} from '../wire/link-layer.js'
import {encodeIp} from '../wire/tcp-packet.js'
import {decodeTcp, TcpFlag} from '../wire/tcp-segment.js'
import {OverlayError} from '../errors/index.js'
import {Flow} from './flow.js'
import {QuietRule} from './quiet-rule.js'
import {RawSender} from './raw-sender.js'

/** Ports are taken from here, below those that Linux gives to connections of its own (net.ipv4.ip_local_port_range). */
const FIRST_PORT = 20_000
const LAST_PORT = 31_000
/** How often the capture is looked at. Times come from the kernel and not from this. */
const POLL_MS = 1

export interface PortSettings {
  target: Endpoint
  /** Address of this host to send from. */
  source: string
  device: string
  /** How many connections, at most, may be open at once; a port is used again only after all others. */
  flows: number
  /** Called when the kernel has taken the first packet of a connection. */
  onBegin?: () => void
  /** Gets each packet of the probe, sent or received, and ICMP errors about them. */
  onPacket?: (timeNs: bigint, packet: Uint8Array, originalLength: number) => void
}

/** Sends and receives packets of crafted connections to one target, past this host's TCP. */
export class PacketPort {
  readonly #free: number[]
  readonly #flows = new Map<number, Flow>()
  readonly #waiting: ((port: number) => void)[] = []
  readonly #timer: NodeJS.Timeout
  /** Since the capture has failed nothing more is received. */
  #failure: unknown = null

  private constructor(
    private readonly settings: PortSettings,
    private readonly reserved: ReservedPorts,
    private readonly capture: PcapStream,
    private readonly sender: RawSender,
    private readonly rule: QuietRule,
  ) {
    this.#free = [...reserved.ports]
    this.#timer = setInterval(() => this.#drain(), POLL_MS)
  }

  /**
   * Takes ports, keeps the kernel from answering on them, and begins to capture.
   *
   * @throws OverlayError PRIVILEGE_MISSING, PROGRAM_MISSING, KERNEL_FEATURE_MISSING, ADDRESS_IN_USE
   */
  static async open(settings: PortSettings): Promise<PacketPort> {
    const {target, source, device, flows} = settings
    const undo: (() => unknown)[] = []
    try {
      const reserved = takePorts(source, flows)
      undo.push(() => reserved.release())
      const {ports} = reserved
      const range = `portrange ${ports[0]}-${ports.at(-1)}`
      // Outgoing packets, answers, and errors; what is not of a flow is sorted out afterwards.
      const filter = `(tcp and host ${target.address} and ${range}) or icmp or icmp6`
      const capture = new PcapStream(device, {filter})
      undo.push(() => capture.close())
      const port: {current: PacketPort | null} = {current: null}
      const sender = new RawSender(source.includes(':'), (bytes, from) => port.current?.onLocalIcmp(bytes, from))
      undo.push(() => sender.close())
      const rule = await QuietRule.make(target.address, source, ports)
      port.current = new PacketPort(settings, reserved, capture, sender, rule)
      return port.current
    } catch (error) {
      for (const step of undo.reverse()) step()
      throw error
    }
  }

  /** A connection from a port that has not been used for longest; waits for one while all are in use. */
  async flow(): Promise<Flow> {
    if (this.#failure !== null) throw this.#failure
    const port = this.#free.shift() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)))
    const {target, source, onBegin} = this.settings
    let begun = false
    const flow = new Flow(
      {address: source, port},
      target,
      async (segment) => {
        const why = await this.sender.send(encodeIp(segment), target.address)
        if (!begun) onBegin?.()
        begun = true
        return why
      },
      () => this.#release(port),
    )
    this.#flows.set(port, flow)
    return flow
  }

  /** Packets that the capture lost. */
  get lost(): number {
    return this.capture.lost
  }

  /** Gives everything back. Connections that are not finished are left to the kernel, which resets them. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#failure === null) this.#drain()
    this.capture.close()
    this.sender.close()
    this.reserved.release()
    await this.rule.remove()
  }

  #release(port: number): void {
    const next = this.#waiting.shift()
    if (next) next(port)
    else this.#free.push(port)
  }

  #drain(): void {
    try {
      for (let frame = this.capture.next(); frame; frame = this.capture.next()) {
        const bytes = ipOfFrame(this.capture.linkType, frame.data)
        if (bytes && this.#take(frame.timeNs, bytes)) {
          const linkBytes = frame.data.length - bytes.length
          this.settings.onPacket?.(frame.timeNs, bytes, frame.originalLength - linkBytes)
        }
      }
    } catch (error) {
      this.#failure = error
      clearInterval(this.#timer)
    }
  }

  /** True when the packet is of a flow. */
  #take(timeNs: bigint, bytes: Uint8Array): boolean {
    const ip = decodeIpPacket(bytes)
    if (!ip) return false
    const tcp = decodeTcp(ip)
    if (!tcp) {
      const error = decodeIcmpError(ip)
      return error !== null && this.#takeIcmp(timeNs, ip.source, error)
    }

    const {target, source} = this.settings
    const sent = tcp.source === source && tcp.destination === target.address && tcp.destinationPort === target.port
    const received = tcp.destination === source && tcp.source === target.address && tcp.sourcePort === target.port
    if (!sent && !received) return false
    const flow = this.#flows.get(sent ? tcp.sourcePort : tcp.destinationPort)
    if (!flow) return false
    flow.record({kind: sent ? 'sent' : 'received', timeNs, ip, tcp})
    if (received && flow.finished && (tcp.flags & TcpFlag.RST) === 0 && (tcp.flags & TcpFlag.ACK) !== 0) {
      // The peer still has it: our RST was lost, or this was under way.
      flow.reset(tcp.acknowledgment).catch(() => {})
    }

    return true
  }

  #takeIcmp(timeNs: bigint | null, from: string, error: IcmpError): boolean {
    const {ip, sourcePort, destinationPort} = error.quoted
    const {target} = this.settings
    if (ip.destination !== target.address || destinationPort !== target.port) return false
    const flow = this.#flows.get(sourcePort)
    if (!flow) return false
    flow.record({kind: 'icmp', timeNs, from, error})
    return true
  }

  /** What this host says to itself (nobody answers ARP) passes no interface that is captured. */
  onLocalIcmp(bytes: Buffer, from: string): void {
    const ipv6 = this.settings.source.includes(':')
    const ip = ipv6 ? null : decodeIpPacket(bytes)
    const error = ipv6 ? decodeIcmpMessage(bytes, true) : ip && decodeIcmpError(ip)
    const own = (ip?.source ?? from) === this.settings.source
    if (error && own) this.#takeIcmp(null, this.settings.source, error)
  }
}

function takePorts(source: string, count: number): ReservedPorts {
  for (let attempt = 0; ; attempt++) {
    try {
      return ReservedPorts.take(source, randomInt(FIRST_PORT, LAST_PORT - count), count)
    } catch (error) {
      if (attempt >= 3 || !(error instanceof OverlayError) || !error.message.includes('not free')) throw error
    }
  }
}
