import {createInterface, type Interface} from 'node:readline'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {HostProcess} from '../lab/host-process.js'
import type {Lab} from '../lab/lab.js'

/** A process that measures, in a lab's client host: takes one order at a time, a line of JSON, and answers with one. */
export class MeasuringClient<Order, Outcome> {
  readonly #process: HostProcess
  readonly #lines: Interface
  #waiting: {resolve(outcome: Outcome): void; reject(error: Error): void} | null = null
  #ended = false

  /** @param entry of the process, spelled with `.js` */
  constructor(lab: Lab, entry: URL) {
    this.#process = lab.spawn('client', nodeCommand(entry), {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#process.child.stdin?.on('error', () => {}) // its end is reported below
    this.#lines = createInterface({input: this.#process.child.stdout!})
    this.#lines.on('line', (line) => {
      this.#waiting?.resolve(JSON.parse(line) as Outcome)
      this.#waiting = null
    })
    this.#lines.on('close', () => {
      this.#ended = true
      this.#waiting?.reject(clientEnded())
      this.#waiting = null
    })
  }

  get pid(): number {
    return this.#process.pid
  }

  /** @throws OverlayError INTERNAL when the client has ended; what goes wrong with the order is in its outcome */
  carryOut(order: Order): Promise<Outcome> {
    if (this.#ended) return Promise.reject(clientEnded())
    return new Promise((resolve, reject) => {
      this.#waiting = {resolve, reject}
      this.#process.child.stdin?.write(JSON.stringify(order) + '\n')
    })
  }

  async close(): Promise<void> {
    this.#process.child.stdin?.end()
    await this.#process.stop()
  }
}

function clientEnded(): OverlayError {
  return new OverlayError('INTERNAL', 'the measuring client has ended before its time')
}
