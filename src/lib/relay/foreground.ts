import {toOverlayError} from '../errors/index.js'
import {PairPlane} from '../pair/pair-plane.js'
import type {RelaySettings} from '../config/relay-settings.js'
import type {RunningSettings} from '../config/running-settings.js'
import type {HandshakePlane} from './handshake-plane.js'
import type {ProcessConfig} from './process-config.js'
import {hostIsShuttingDown} from '../service/host-shutdown.js'
import {ServiceManager} from '../service/service-manager.js'
import type {LogLine} from './rate-limited-log.js'
import {Supervisor, type DrainReport} from './supervisor.js'

/** What `start --json` prints when it is ready, on one line. */
export interface ReadyEvent {
  event: 'ready'
  role: 'edge' | 'gateway'
  name: string
  pid: number
  listen: string[]
  processes: number[]
  zeroRtt: boolean
}

/** What `start --json` prints when it has ended. */
export interface StoppedEvent extends DrainReport {
  event: 'stopped'
  role: 'edge' | 'gateway'
  name: string
}

export interface ForegroundOutput {
  ready(event: ReadyEvent): void
  log(line: LogLine): void
}

/**
 * Runs an edge or gateway in the foreground until it has drained. SIGTERM and SIGINT drain, a second one resets what is
 * left; SIGHUP reads configuration and key file again.
 *
 * @param running how the configuration is read again
 * @param hostEnds is the host shutting down?
 * @throws OverlayError what {@link Supervisor.start} throws
 */
export async function runInForeground(
  settings: RelaySettings<ProcessConfig>,
  plane: HandshakePlane | null,
  output: ForegroundOutput,
  running?: RunningSettings<RelaySettings<ProcessConfig>>,
  hostEnds: () => boolean = hostIsShuttingDown,
): Promise<StoppedEvent> {
  const {name, config} = settings
  const manager = ServiceManager.of(process.env, (message) =>
    output.log({level: 'warning', kind: 'service-manager', message, suppressed: 0}),
  )
  const supervisor = new Supervisor({
    ...settings,
    pair: pairPlane(settings),
    plane,
    running,
    manager,
    log: (line) => output.log(line),
  })
  const stop = (): void => {
    if (signals++ > 0) supervisor.force()
    // What a drain comes to is learned from `ended`.
    else (hostEnds() ? supervisor.drainForShutdown() : supervisor.drain()).catch(() => {})
  }

  const reload = (): void => {
    supervisor.reload().catch((error: unknown) => {
      const {message} = toOverlayError(error)
      output.log({
        level: 'error',
        kind: 'reload',
        message: `not reloaded, everything stays as it is: ${message}`,
        suppressed: 0,
      })
    })
  }

  let signals = 0
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload)
  try {
    await supervisor.start()
    output.ready({
      event: 'ready',
      role: config.role,
      name,
      pid: process.pid,
      listen: supervisor.listen,
      processes: supervisor.pids,
      zeroRtt: supervisor.zeroRtt,
    })
    return {event: 'stopped', role: config.role, name, ...(await supervisor.ended)}
  } catch (error) {
    // Asked to end before it was ready: that is no failure of the start.
    if (signals === 0) throw error
    return {event: 'stopped', role: config.role, name, open: 0, aborted: 0, durationMs: 0}
  } finally {
    manager?.close()
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload)
  }
}

function pairPlane({
  name,
  config,
  pair,
  listeners,
  clockOffsetSeconds,
}: RelaySettings<ProcessConfig>): PairPlane | null {
  return pair === null ? null : new PairPlane(`${config.role}-${name}`, pair, listeners, clockOffsetSeconds)
}
