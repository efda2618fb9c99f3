import {OverlayError} from '../errors/index.js'
import type {PairAction} from './control-protocol.js'
import type {EdgeProcessStatus, GatewayProcessStatus} from './process-status.js'
import type {LogLevel} from './rate-limited-log.js'
import type {RelayChild} from './relay-child.js'

/** How long the processes may take to be ready, ms. */
const READY_DEADLINE_MS = 15_000

/** Pauses before a process that died is started again, ms: the first, and the longest. */
const RESTART_FIRST_MS = 100
const RESTART_LIMIT_MS = 5000

/** A process that ran so long before it died counts as the first failure again, ms. */
const STABLE_MS = 10_000

export type ProcessStatus = EdgeProcessStatus | GatewayProcessStatus

/** What the processes' keeper is told of each of them. */
export interface RelayChildWatch {
  ready(): void
  ended(child: RelayChild, how: string): void
}

export interface RelayChildrenOwner {
  /** Starts the process in a place; null when none may start any more. */
  start(index: number, watch: RelayChildWatch): RelayChild | null
  /** One died, and another will be started in its place. */
  replacing(): void
  /** Once, after {@link RelayChildren.stop}: none is left. */
  allEnded(): void
  log(level: LogLevel, kind: string, message: string): void
}

/** The relay processes of one instance: started, started again when they die, asked and told. */
export class RelayChildren {
  /** How often one that died was replaced. */
  restarts = 0
  /** Connections that were reset, of processes that have ended. */
  aborted = 0
  private phase: 'starting' | 'running' | 'stopping' = 'starting'
  private readonly list: RelayChild[] = []
  private readonly restartTimers = new Set<NodeJS.Timeout>()
  private failuresInARow = 0
  private toldEnd = false
  /** Looks whether what is waited for has come. */
  private progress: (() => void) | null = null

  constructor(private readonly owner: RelayChildrenOwner) {}

  get all(): readonly RelayChild[] {
    return this.list
  }

  get running(): RelayChild[] {
    return this.list.filter((child) => !child.hasEnded)
  }

  /** Of those that run, the ones that have said so. */
  get serving(): RelayChild[] {
    return this.running.filter(({ready}) => ready)
  }

  /**
   * Starts so many and waits until all are ready.
   *
   * @throws OverlayError DEADLINE_EXCEEDED, INTERNAL when one ends at its start
   */
  async start(count: number): Promise<void> {
    for (let index = 0; index < count; index++) this.spawn(index)
    await this.allReady()
    if (this.phase === 'starting') this.phase = 'running'
  }

  /** None is replaced from here on. */
  stop(): void {
    this.phase = 'stopping'
    for (const timer of this.restartTimers) clearTimeout(timer)
    this.restartTimers.clear()
    // In their places another would have been started by now.
    for (const child of this.list.filter(({hasEnded}) => hasEnded)) this.list.splice(this.list.indexOf(child), 1)
    this.checkEnded()
  }

  kill(): void {
    for (const child of this.list) child.kill('SIGKILL')
  }

  /** Of each that runs; null of one that does not answer. */
  async statuses(): Promise<{pid: number; status: ProcessStatus | null}[]> {
    return Promise.all(
      this.running.map(async (child) => ({
        pid: child.pid,
        status: child.ready ? await child.status().catch(() => null) : null,
      })),
    )
  }

  /** Asks the process that is a member of a pair. @throws OverlayError NOT_PAIRED, NOT_FRESH, … */
  async pair(action: PairAction): Promise<void> {
    const child = this.running.find(({ready}) => ready)
    if (!child) throw new OverlayError('NOT_PAIRED', 'the relay process is being started')
    await child.pair(action)
  }

  private spawn(index: number): void {
    const child = this.owner.start(index, {
      ready: () => this.progress?.(),
      ended: (ended, how) => this.ended(ended, index, how),
    })
    if (child !== null) this.list[index] = child
  }

  private ended(child: RelayChild, index: number, how: string): void {
    this.aborted += child.aborted
    if (this.phase === 'stopping') {
      this.list.splice(this.list.indexOf(child), 1)
      this.checkEnded()
      return
    }

    if (this.phase === 'starting') {
      this.progress?.()
      return
    }

    this.failuresInARow = Date.now() - child.startedAt > STABLE_MS ? 0 : this.failuresInARow + 1
    const delay = Math.min(RESTART_LIMIT_MS, RESTART_FIRST_MS * 2 ** this.failuresInARow)
    this.restarts++
    this.owner.log('error', 'process', `relay process ${child.pid} ended (${how}); another starts in ${delay} ms`)
    const timer = setTimeout(() => {
      this.restartTimers.delete(timer)
      this.owner.replacing()
      this.spawn(index)
    }, delay)
    this.restartTimers.add(timer)
  }

  private allReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new OverlayError('DEADLINE_EXCEEDED', `the relay processes were not ready within ${READY_DEADLINE_MS} ms`),
        )
      }, READY_DEADLINE_MS)
      const done = (act: () => void): void => {
        clearTimeout(timer)
        this.progress = null
        act()
      }

      this.progress = () => {
        const dead = this.list.find((child) => child.hasEnded)
        if (this.phase === 'stopping') {
          done(() => reject(new OverlayError('DEADLINE_EXCEEDED', 'ended before it was ready')))
        } else if (dead) {
          done(() => reject(new OverlayError('INTERNAL', `relay process ${dead.pid} ended at its start`)))
        } else if (this.list.every((child) => child.ready)) {
          done(resolve)
        }
      }

      this.progress()
    })
  }

  private checkEnded(): void {
    this.progress?.()
    if (this.list.length > 0 || this.toldEnd) return
    this.toldEnd = true
    this.owner.allEnded()
  }
}
