import {setTimeout as sleep} from 'node:timers/promises'

import {toOverlayError} from '../errors/index.js'
import {BLOCK_TIMEOUT_MS, PcapFile, type CaptureSettings} from '../kernel/libpcap.js'

/**
 * The program that captures: `node capture-process.js INTERFACE FILE SETTINGS`, run inside the namespace of the
 * interface. Prints one JSON line when it has begun and one with the counts when it has ended: on SIGTERM or SIGINT, or
 * when its standard input ends, if that is asked for.
 */
export interface CaptureRequest extends CaptureSettings {
  untilInputEnds?: boolean
}

const DRAIN_EVERY_MS = 5

async function main([interfaceName, file, settings]: string[]): Promise<void> {
  const request = JSON.parse(settings) as CaptureRequest
  const capture = new PcapFile(interfaceName, file, request)
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    if (request.untilInputEnds)
      process.stdin
        .once('end', resolve)
        .once('error', () => resolve())
        .resume()
  })
  say({ready: true})
  const timer = setInterval(() => capture.drain(), DRAIN_EVERY_MS)
  await stopped
  clearInterval(timer)
  // What passed just before the signal lies in a block that the kernel has not handed over yet.
  await sleep(2 * BLOCK_TIMEOUT_MS)
  capture.drain()
  const counts = capture.counts()
  // Whoever hears the counts reads the file: all of it must be there, the header of a capture without a packet too.
  capture.close()
  say(counts)
}

function say(line: object): void {
  process.stdout.write(JSON.stringify(line) + '\n')
}

process.stdout.on('error', () => {}) // whoever started it may be gone; the file matters
try {
  await main(process.argv.slice(2))
  process.exit(0)
} catch (error) {
  say({error: toOverlayError(error).toJson()})
  process.exit(1)
}
