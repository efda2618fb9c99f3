import {createInterface, type Interface} from 'node:readline'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {HostProcess} from '../lab/host-process.js'
import type {Lab} from '../lab/lab.js'
import type {ExchangeOrder, ExchangeOutcome} from './client-process.js'

/** The measuring client in a lab's client host, one exchange at a time. */
export class MeasuringClient {
  readonly #process: HostProcess
  readonly #lines: Interface
  #waiting: {resolve(outcome: ExchangeOutcome): void; reject(error: Error): void} | null = null
  #ended = false

  constructor(lab: Lab) {
    this.#process = lab.spawn('client', nodeCommand(new URL('client-process.js', import.meta.url)), {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#process.child.stdin?.on('error', () => {}) // its end is reported below
    this.#lines = createInterface({input: this.#process.child.stdout!})
    this.#lines.on('line', (line) => {
      this.#waiting?.resolve(JSON.parse(line) as ExchangeOutcome)
      this.#waiting = null
    })
    this.#lines.on('close', () => {
      this.#ended = true
      this.#waiting?.reject(clientEnded())
      this.#waiting = null
    })
  }

  /** @throws OverlayError INTERNAL when the client has ended; what goes wrong with the exchange is in its outcome */
  exchange(order: ExchangeOrder): Promise<ExchangeOutcome> {
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
