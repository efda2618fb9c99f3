import {Flags} from '@oclif/core'

import {OverlayCommand} from '../cli/base-command.js'
import type {ReadyEvent, StoppedEvent} from './foreground.js'
import type {LogLine} from './rate-limited-log.js'
import {renderLog, renderReady, renderStopped} from './render.js'

/** Flags of `edge start` and `gateway start`; each also read from the environment. */
export const startFlags = (role: 'EDGE' | 'GATEWAY') => ({
  config: Flags.file({
    description: 'YAML file; flags and environment go before what stands in it',
    env: `OVERLAY_${role}_CONFIG`,
    helpValue: 'FILE',
  }),
  'key-file': Flags.file({
    description: 'file with the keys that edges and gateways share',
    env: 'OVERLAY_KEY_FILE',
    helpValue: 'FILE',
  }),
  name: Flags.string({
    description: 'name of this instance on this host',
    default: 'default',
    env: `OVERLAY_${role}_NAME`,
  }),
  processes: Flags.integer({
    description: 'relay processes; as many as there are CPUs when not given',
    min: 1,
    max: 64,
    env: `OVERLAY_${role}_PROCESSES`,
  }),
  'zero-rtt': Flags.boolean({
    description: 'zero-RTT handshake on the middle leg; on when not given',
    allowNo: true,
    env: `OVERLAY_${role}_ZERO_RTT`,
  }),
  interface: Flags.string({
    description: 'interface of the middle leg; found from the routing table when not given',
    multiple: true,
    env: `OVERLAY_${role}_INTERFACES`,
    delimiter: ',',
  }),
  'congestion-control': Flags.string({
    description: 'congestion control of the middle leg, e.g. bbr',
    env: `OVERLAY_${role}_CONGESTION_CONTROL`,
  }),
  'initial-window': Flags.integer({
    description: "initial congestion window of the middle leg in segments; 0, the kernel's, when not given",
    min: 0,
    max: 1000,
    env: `OVERLAY_${role}_INITIAL_WINDOW`,
  }),
  'clock-offset': Flags.integer({
    description: 'seconds added to the clock that numbers are made with, to see what a wrong clock does',
    default: 0,
    hidden: true,
  }),
  'replication-versions': Flags.string({
    description: 'lowest and highest version of the replication protocol that a member speaks, to see what a skew does',
    helpValue: 'LOW-HIGH',
    hidden: true,
  }),
  'idle-timeout': Flags.string({
    description: 'a connection without a byte for so long is reset; 1h when not given',
    env: `OVERLAY_${role}_IDLE_TIMEOUT`,
    helpValue: 'DURATION',
  }),
  'connect-timeout': Flags.string({
    description: 'time for the far side to be reached; 10s when not given',
    env: `OVERLAY_${role}_CONNECT_TIMEOUT`,
    helpValue: 'DURATION',
  }),
  'drain-timeout': Flags.string({
    description: 'time that open connections get after SIGTERM; 30s when not given',
    env: `OVERLAY_${role}_DRAIN_TIMEOUT`,
    helpValue: 'DURATION',
  }),
  'shutdown-drain-timeout': Flags.string({
    description: 'the same when systemd is shutting the host down; as --drain-timeout when not given',
    env: `OVERLAY_${role}_SHUTDOWN_DRAIN_TIMEOUT`,
    helpValue: 'DURATION',
  }),
  'max-connections': Flags.integer({
    description: 'connections of one process at a time; as many as its descriptors allow when not given',
    min: 1,
    max: 1_000_000,
    env: `OVERLAY_${role}_MAX_CONNECTIONS`,
  }),
})

/** Runs in the foreground: one line on stderr when ready, log lines after it, a result at the end. */
export abstract class StartCommand extends OverlayCommand<StoppedEvent> {
  /** For scripts: one line on stderr, and with --json one object on one line of stdout. */
  protected announce(event: ReadyEvent): void {
    process.stderr.write(renderReady(event) + '\n')
    if (this.jsonEnabled()) process.stdout.write(JSON.stringify(event) + '\n')
  }

  protected writeLog(line: LogLine, role: string, name: string): void {
    process.stderr.write(renderLog(line, role, name, this.jsonEnabled()) + '\n')
  }

  protected render(result: StoppedEvent): string {
    return renderStopped(result)
  }
}
