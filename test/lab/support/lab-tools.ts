import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'

import {PcapReader, type PcapPacket} from '../../../src/lib/capture/pcap-reader.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import type {Lab} from '../../../src/lib/lab/lab.js'
import {mountsBelow} from '../../../src/lib/lab/mounts.js'
import {decodeEthernet, type TcpSegment} from '../../../src/lib/wire/tcp-segment.js'

const UDP_LOAD = [process.execPath, fileURLToPath(new URL('udp-load.mjs', import.meta.url))]
/** Ethernet, IPv4 and UDP headers. */
export const UDP_HEADERS = 42
export const LOAD_PORT = 9009

/** A directory for the files of one suite; `remove` it in the end. */
export function scratch(): {path(name: string): string; remove(): void} {
  const directory = mkdtempSync(join(tmpdir(), 'ov-lab-test-'))
  return {
    path: (name) => join(directory, name),
    remove: () => rmSync(directory, {recursive: true, force: true}),
  }
}

/** Runs `work` with labs in a run directory of its own, so that nobody else sweeps them; gives the directory to it. */
export async function withRunDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const before = process.env.OVERLAY_RUN_DIR
  const directory = mkdtempSync('/run/ov-test-')
  process.env.OVERLAY_RUN_DIR = directory
  try {
    await work(directory)
  } finally {
    if (before === undefined) delete process.env.OVERLAY_RUN_DIR
    else process.env.OVERLAY_RUN_DIR = before
    if (mountsBelow(directory).length === 0) rmSync(directory, {recursive: true, force: true})
  }
}

/** Sends numbered UDP packets from a host at an even rate. */
export async function sendLoad(
  lab: Lab,
  host: string,
  address: string,
  load: {packets: number; perSecond: number; bytes?: number},
): Promise<void> {
  const numbers = [LOAD_PORT, load.packets, load.perSecond, load.bytes ?? 64].map(String)
  const {code, stderr} = await lab.exec(host, [...UDP_LOAD, address, ...numbers])
  if (code !== 0) throw new Error(`udp-load: ${stderr}`)
}

/** The same without waiting, for whoever stops it. */
export function startLoad(
  lab: Lab,
  host: string,
  address: string,
  load: {packets: number; perSecond: number},
): HostProcess {
  return lab.spawn(host, [...UDP_LOAD, address, ...[LOAD_PORT, load.packets, load.perSecond].map(String)])
}

/** Captures a link at both of its ends while `work` runs, and for `afterMs` longer; the packets seen at each end. */
export async function captureBothEnds(
  lab: Lab,
  [near, far]: [string, string],
  link: string,
  filter: string,
  work: () => Promise<void>,
  afterMs = 100,
): Promise<{near: PcapPacket[]; far: PcapPacket[]}> {
  const files = scratch()
  try {
    const [a, b] = await Promise.all([
      lab.capture(near, link, files.path('near.pcap'), {filter}),
      lab.capture(far, link, files.path('far.pcap'), {filter}),
    ])
    await work()
    await sleep(afterMs)
    const counts = await Promise.all([a.stop(), b.stop()])
    const packets = {
      near: [...PcapReader.open(files.path('near.pcap'))],
      far: [...PcapReader.open(files.path('far.pcap'))],
    }
    if (counts[0].dropped + counts[1].dropped > 0)
      throw new Error(`captures dropped packets: ${JSON.stringify(counts)}`)
    if (counts[0].packets !== packets.near.length) throw new Error('a capture holds another number than it says')
    return packets
  } finally {
    files.remove()
  }
}

/** The number in a packet of {@link sendLoad}. */
export const loadNumber = (packet: PcapPacket): number => packet.data.readUInt32BE(UDP_HEADERS)

/** Milliseconds that each packet of a load was under way, in the order of arrival. */
export function transitMs(near: PcapPacket[], far: PcapPacket[]): number[] {
  const left = new Map(near.map((packet) => [loadNumber(packet), packet.timeNs]))
  return far.map((packet) => Number(packet.timeNs - left.get(loadNumber(packet))!) / 1e6)
}

/** The TCP segments of a capture with their times in milliseconds. */
export function segments(packets: PcapPacket[]): (TcpSegment & {timeMs: number})[] {
  return packets.flatMap((packet) => {
    const segment = decodeEthernet(packet.data)
    return segment ? [{...segment, timeMs: Number(packet.timeNs) / 1e6}] : []
  })
}

/** @param share 0 to 1 */
export function quantile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** What is left of a lab: namespaces, mounts, processes that name its directory, and the directory. */
export function tracesOf(lab: {id: string; directory: string}): string[] {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  const processes = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => commandLine(pid).includes(`${lab.directory}/`))
    .map((pid) => `process ${pid}: ${commandLine(pid)}`)
  return [
    ...namespaces.filter((name) => name.startsWith(`ov-${lab.id}-`)),
    ...mountsBelow(lab.directory).map((target) => `mount ${target}`),
    ...processes,
    ...(existsSync(lab.directory) ? [lab.directory] : []),
  ]
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
