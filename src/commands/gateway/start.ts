import {Flags} from '@oclif/core'

import {gatewaySettings} from '../../lib/config/relay-settings.js'
import {Resolution} from '../../lib/config/resolution.js'
import {RunningSettings} from '../../lib/config/running-settings.js'
import {gatewayPlane} from '../../lib/relay/attached-plane.js'
import {runInForeground, type ReadyEvent, type StoppedEvent} from '../../lib/relay/foreground.js'
import type {LogLine} from '../../lib/relay/rate-limited-log.js'
import {StartCommand, startFlags} from '../../lib/relay/start-command.js'

export default class GatewayStart extends StartCommand {
  static override summary = 'Run a gateway: take edges that hold the key and connect them to origins'
  static override description = `Listens for edges, checks the preamble that each connection starts with, and connects to the origin it names if that is
allowed. A preamble opens one connection, at this gateway only.

Runs in the foreground. SIGTERM or SIGINT drains, a second one resets what is left; SIGHUP reads configuration and
key file again, as "gateway reload" does.`
  static override examples = [
    {
      description: 'For the web servers of one network',
      command:
        '<%= config.bin %> <%= command.id %> --listen 203.0.113.9:7000 --allow-origin 10.9.0.0/24:443 --key-file /etc/overlay/keys',
    },
    {
      description: 'From a file',
      command: '<%= config.bin %> <%= command.id %> --config /etc/overlay/overlay.yaml',
    },
  ]

  static override flags = {
    listen: Flags.string({
      description: 'where edges connect; repeat for several, e.g. one of each address family',
      env: 'OVERLAY_GATEWAY_LISTEN',
      helpValue: 'ADDRESS:PORT',
      multiple: true,
      delimiter: ',',
    }),
    'allow-origin': Flags.string({
      description: 'an origin that edges may reach; PORT may be a range or *; repeat for several',
      env: 'OVERLAY_GATEWAY_ALLOW_ORIGINS',
      helpValue: 'ADDRESS[/LENGTH]:PORT',
      multiple: true,
      delimiter: ',',
    }),
    ...startFlags('GATEWAY'),
    'preamble-timeout': Flags.string({
      description: 'time in which a connection must show its preamble; 5s when not given',
      env: 'OVERLAY_GATEWAY_PREAMBLE_TIMEOUT',
      helpValue: 'DURATION',
    }),
    'max-origin-connections': Flags.integer({
      description: 'connections to one origin, address and port, of one process at a time; no limit when not given',
      min: 0,
      max: 1_000_000,
      env: 'OVERLAY_GATEWAY_MAX_ORIGIN_CONNECTIONS',
    }),
    'max-origin-rate': Flags.integer({
      description: 'new connections a second to one origin of one process; no limit when not given',
      min: 0,
      max: 1_000_000,
      env: 'OVERLAY_GATEWAY_MAX_ORIGIN_RATE',
    }),
    'max-pending': Flags.integer({
      description: 'connections of one process that have shown none, the oldest goes first; 4096 when not given',
      min: 1,
      max: 1_000_000,
      env: 'OVERLAY_GATEWAY_MAX_PENDING',
    }),
    echo: Flags.string({
      description: 'tell probes that hold the key, on this address, how their packets arrived; off when not given',
      env: 'OVERLAY_GATEWAY_ECHO',
      helpValue: 'ADDRESS:PORT',
    }),
  }

  protected async perform(): Promise<StoppedEvent> {
    const {flags} = await this.parse(GatewayStart)
    const resolution = new Resolution('gateway')
    const settings = gatewaySettings(flags, resolution)
    const log = (line: LogLine) => this.writeLog(line, 'gateway', settings.name)
    const output = {ready: (event: ReadyEvent) => this.announce(event), log}
    const running = new RunningSettings(resolution, (again) => gatewaySettings(flags, again))
    return runInForeground(settings, gatewayPlane(settings, log), output, running)
  }
}
