import {createInterface} from 'node:readline'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {HostProcess} from '../lab/host-process.js'
import type {ClientOrders, ClientReport} from './load-client.js'
import type {OriginReport} from './load-origin.js'
import type {LoadGroup} from './scenario.js'
import {ORIGIN_PORTS, type PairStage} from './stage.js'

const READY_DEADLINE_MS = 10_000

/** What both ends of a load have seen. */
export interface LoadReports {
  clients: ClientReport[]
  origins: OriginReport[]
}

/** The origin's program: one for as long as the lab is up. */
export class LoadOrigin {
  readonly reports: OriginReport[] = []

  static async start(stage: PairStage): Promise<LoadOrigin> {
    const origin = new LoadOrigin()
    const words = [...nodeCommand(new URL('load-origin.js', import.meta.url)), ...ORIGIN_PORTS.map(String)]
    const running = stage.lab.spawn('origin', words, {stdio: ['ignore', 'pipe', 'inherit']})
    await ready(running, 'ready', (line) => origin.reports.push(JSON.parse(line) as OriginReport))
    return origin
  }
}

/** The client's program with its flows, from start to stop. */
export class LoadClient {
  readonly reports: ClientReport[] = []

  private constructor(private readonly running: HostProcess) {}

  /** @param firstFlow no two flows of a lab have one number */
  static async start(
    stage: PairStage,
    groups: readonly LoadGroup[],
    firstFlow: number,
    deadlineMs: number,
  ): Promise<LoadClient> {
    const orders: ClientOrders = {...stage.service, groups: [...groups], firstFlow, deadlineMs}
    const words = [...nodeCommand(new URL('load-client.js', import.meta.url)), JSON.stringify(orders)]
    const running = stage.lab.spawn('client', words, {stdio: ['pipe', 'pipe', 'inherit']})
    const client = new LoadClient(running)
    await ready(running, 'started', (line) => client.reports.push(JSON.parse(line) as ClientReport))
    return client
  }

  /** No new flows; ends when those that are open have. */
  async stop(deadlineMs: number): Promise<void> {
    this.running.child.stdin!.write('stop\n')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.running.child.kill('SIGKILL')
        resolve()
      }, deadlineMs)
    })
    await Promise.race([this.running.exited, late])
    clearTimeout(timer)
  }
}

/** Waits for a program's first line, and hands on the others. */
function ready(running: HostProcess, word: string, line: (text: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new OverlayError('DEADLINE_EXCEEDED', 'the load program is not ready')),
      READY_DEADLINE_MS,
    )
    createInterface({input: running.child.stdout!}).on('line', (text) => {
      if (text.startsWith(word)) {
        clearTimeout(timer)
        resolve()
      } else {
        line(text)
      }
    })
    running.exited.then(() => reject(new OverlayError('INTERNAL', 'the load program ended')), reject)
  })
}
