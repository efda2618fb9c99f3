import {mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {startCapture, type CaptureCounts} from '../../capture/live-capture.js'
import {OverlayError} from '../../errors/index.js'
import {identify, isAlive} from '../../lab/processes.js'

/** TCP, GRE, VXLAN, and the fragments of anything: what the analysis can look into. pcap-filter(7). */
export const DEFAULT_FILTER = 'tcp or ip proto 47 or udp port 4789 or udp port 8472 or (ip[6:2] & 0x1fff != 0)'
/** Enough for the headers of tunnels and for TCP's options. */
const HEADERS_BYTES = 256
const DIRECTORY = /^overlay-replay-(\d+)-(\d+)-/
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface TrafficOptions {
  interfaceName: string
  durationMs: number
  /** pcap-filter(7); {@link DEFAULT_FILTER} unless given. */
  filter?: string
  /** Keep payloads too, not only headers. */
  payloads: boolean
  /** Called about once a second. @param leftMs of the duration */
  onProgress?: (leftMs: number) => void
}

/**
 * Captures an interface of this network namespace for a time, or until Ctrl-C, and hands over the file, which is gone
 * afterwards: also after a signal, and after SIGKILL by the next call.
 *
 * @param use reads the file
 * @throws OverlayError NOT_FOUND for the interface; PRIVILEGE_MISSING; USAGE for the filter; PROGRAM_MISSING (libpcap)
 */
export async function withCapturedTraffic<Result>(
  options: TrafficOptions,
  use: (file: string, counts: CaptureCounts) => Promise<Result>,
): Promise<Result> {
  sweep()
  const directory = mkdtempSync(join(tmpdir(), `overlay-replay-${process.pid}-${identify(process.pid)?.startTime}-`))
  const interruption = new AbortController()
  let capturing = true
  const onSignal = (signal: NodeJS.Signals): void => {
    // The first Ctrl-C ends the capture, and what it has is analysed; any other signal ends everything.
    if (signal === 'SIGINT' && capturing && !interruption.signal.aborted) {
      interruption.abort()
      return
    }

    rmSync(directory, {recursive: true, force: true})
    for (const name of SIGNALS) process.removeListener(name, onSignal)
    process.kill(process.pid, signal)
  }

  for (const name of SIGNALS) process.on(name, onSignal)
  try {
    const file = join(directory, 'traffic.pcap')
    const counts = await captureInto(file, options, interruption.signal)
    capturing = false
    return await use(file, counts)
  } finally {
    for (const name of SIGNALS) process.removeListener(name, onSignal)
    rmSync(directory, {recursive: true, force: true})
  }
}

async function captureInto(file: string, options: TrafficOptions, signal: AbortSignal): Promise<CaptureCounts> {
  const {interfaceName, durationMs, filter = DEFAULT_FILTER, payloads, onProgress} = options
  const settings = {filter, ...(!payloads && {snapLength: HEADERS_BYTES})}
  const capture = await startCapture([], interfaceName, file, settings).catch((error: unknown) => {
    throw withWayOut(error)
  })
  const endsAt = performance.now() + durationMs
  for (;;) {
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0 || signal.aborted) break
    onProgress?.(leftMs)
    await sleep(Math.min(1000, leftMs), undefined, {signal}).catch(() => {})
  }

  return capture.stop()
}

function withWayOut(error: unknown): unknown {
  if (!(error instanceof OverlayError) || error.code !== 'PRIVILEGE_MISSING') return error
  return new OverlayError(error.code, error.message, {
    cause: error.cause,
    suggestions: ['run as root, or with CAP_NET_RAW', 'capture with tcpdump -w FILE elsewhere, and give the file'],
  })
}

/** Removes what processes that are gone have left. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const match = DIRECTORY.exec(name)
    if (!match || isAlive({pid: Number(match[1]), startTime: Number(match[2])})) continue
    rmSync(join(tmpdir(), name), {recursive: true, force: true})
  }
}
