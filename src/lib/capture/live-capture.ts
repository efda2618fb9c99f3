import {spawn, type ChildProcess} from 'node:child_process'
import {createInterface, type Interface} from 'node:readline'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError, type ErrorJson} from '../errors/index.js'
import type {CaptureRequest} from './capture-process.js'

export interface CaptureCounts {
  /** Packets in the file. */
  packets: number
  /** Packets that passed but are not in the file: the kernel's buffer was full. */
  dropped: number
}

export interface LiveCapture {
  pid: number
  file: string
  /** Ends the capture, with everything that passed before in the file. The second call gives the same. */
  stop(): Promise<CaptureCounts>
}

const START_DEADLINE_MS = 15_000
const STOP_DEADLINE_MS = 5000

/**
 * Starts a capture in a process of its own and returns when it has begun: packets sent from then on are in it.
 *
 * @param prefix the words that run a command in the namespace of the interface, e.g. `ip netns exec NAME`; may be empty
 * @param options.stays the capture goes on after this process has ended; without it, it ends with this process
 * @throws OverlayError as of PcapFile; DEADLINE_EXCEEDED
 */
export async function startCapture(
  prefix: readonly string[],
  interfaceName: string,
  file: string,
  options: CaptureRequest & {stays?: boolean} = {},
): Promise<LiveCapture> {
  const {stays = false, ...settings} = options
  const request: CaptureRequest = {...settings, untilInputEnds: !stays}
  const [program, ...words] = [
    ...prefix,
    ...nodeCommand(new URL('capture-process.js', import.meta.url)),
    interfaceName,
    file,
    JSON.stringify(request),
  ]
  const child = spawn(program, words, {stdio: [stays ? 'ignore' : 'pipe', 'pipe', 'ignore'], detached: true})
  const lines = new Lines(child)
  const first = await lines.next(START_DEADLINE_MS, `the capture of ${interfaceName}`)
  if (first.error) {
    const {code, message, cause, suggestions} = first.error
    throw new OverlayError(code, message, {cause, suggestions})
  }

  if (stays) {
    lines.close()
    child.stdout!.destroy()
    child.unref()
  }

  let counts: Promise<CaptureCounts> | undefined
  const stop = (): Promise<CaptureCounts> => {
    counts ??= (async () => {
      child.kill('SIGTERM')
      const {packets = 0, dropped = 0} = await lines.next(STOP_DEADLINE_MS, `the end of the capture ${file}`)
      return {packets, dropped}
    })()
    return counts
  }

  return {pid: child.pid!, file, stop}
}

interface Line extends Partial<CaptureCounts> {
  ready?: boolean
  error?: ErrorJson
}

/** The lines a capture process prints, one at a time. */
class Lines {
  readonly #child: ChildProcess
  readonly #reader: Interface
  readonly #iterator: AsyncIterator<string>

  constructor(child: ChildProcess) {
    this.#child = child
    this.#reader = createInterface({input: child.stdout!})
    this.#iterator = this.#reader[Symbol.asyncIterator]()
    child.on('error', () => this.#reader.close())
  }

  async next(deadlineMs: number, what: string): Promise<Line> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#child.kill('SIGKILL')
        reject(new OverlayError('DEADLINE_EXCEEDED', `${what} did not come within ${deadlineMs} ms`))
      }, deadlineMs)
    })
    try {
      const {done, value} = await Promise.race([this.#iterator.next(), late])
      if (done) throw new OverlayError('SYSTEM_CALL_FAILED', `${what} failed: its process ended without a word`)
      return JSON.parse(value) as Line
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#reader.close()
  }
}
