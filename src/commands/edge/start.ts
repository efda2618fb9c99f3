import {Flags} from '@oclif/core'

import {edgeSettings} from '../../lib/config/relay-settings.js'
import {Resolution} from '../../lib/config/resolution.js'
import {RunningSettings} from '../../lib/config/running-settings.js'
import {edgePlane} from '../../lib/relay/attached-plane.js'
import {runInForeground, type ReadyEvent, type StoppedEvent} from '../../lib/relay/foreground.js'
import type {LogLine} from '../../lib/relay/rate-limited-log.js'
import {StartCommand, startFlags} from '../../lib/relay/start-command.js'

export default class EdgeStart extends StartCommand {
  static override summary = 'Run an edge: take clients and carry them to an origin through a gateway'
  static override description = `Listens for clients, dials a gateway for each and asks it to connect to the origin. What a client sends first is kept
until a gateway has accepted the connection, and sent again over the next one when it fails.

Runs in the foreground. SIGTERM or SIGINT drains, a second one resets what is left; SIGHUP reads configuration and
key file again, as "edge reload" does.`
  static override examples = [
    {
      description: 'One service over two gateways, the first preferred',
      command:
        '<%= config.bin %> <%= command.id %> --listen 0.0.0.0:443 --origin 10.9.0.5:443 --gateway 203.0.113.9:7000 --gateway 198.51.100.9:7000 --key-file /etc/overlay/keys',
    },
    {
      description: 'Several services from a file',
      command: '<%= config.bin %> <%= command.id %> --config /etc/overlay/overlay.yaml',
    },
  ]

  static override flags = {
    listen: Flags.string({
      description: 'where clients connect',
      env: 'OVERLAY_EDGE_LISTEN',
      helpValue: 'ADDRESS:PORT',
    }),
    origin: Flags.string({
      description: 'where the gateway connects to for them',
      env: 'OVERLAY_EDGE_ORIGIN',
      helpValue: 'ADDRESS:PORT',
    }),
    gateway: Flags.string({
      description: 'a gateway; repeat for several, the preferred one first',
      env: 'OVERLAY_EDGE_GATEWAYS',
      helpValue: 'ADDRESS:PORT',
      multiple: true,
      delimiter: ',',
    }),
    ...startFlags('EDGE'),
    'confirm-timeout': Flags.string({
      description: 'time beyond the round trip after which a silent gateway is given up; 1s when not given',
      env: 'OVERLAY_EDGE_CONFIRM_TIMEOUT',
      helpValue: 'DURATION',
    }),
    'health-interval': Flags.string({
      description: 'time between health checks of a gateway; 2s when not given',
      env: 'OVERLAY_EDGE_HEALTH_INTERVAL',
      helpValue: 'DURATION',
    }),
    'max-client-connections': Flags.integer({
      description:
        'connections of one client address (IPv6: /64) in one process at a time, 0 for no limit; half of --max-connections, 64 at least, when not given',
      min: 0,
      max: 1_000_000,
      env: 'OVERLAY_EDGE_MAX_CLIENT_CONNECTIONS',
    }),
    'max-client-rate': Flags.integer({
      description:
        'new connections a second of one client address (IPv6: /64) in one process, 0 for no limit; 5000 when not given',
      min: 0,
      max: 1_000_000,
      env: 'OVERLAY_EDGE_MAX_CLIENT_RATE',
    }),
    'retry-other-gateway': Flags.boolean({
      description:
        'dial another gateway even when the silent one may have passed the first bytes on, so that the origin may see them twice; on when not given',
      allowNo: true,
      env: 'OVERLAY_EDGE_RETRY_OTHER_GATEWAY',
    }),
  }

  protected async perform(): Promise<StoppedEvent> {
    const {flags} = await this.parse(EdgeStart)
    const resolution = new Resolution('edge')
    const settings = edgeSettings(flags, resolution)
    const log = (line: LogLine) => this.writeLog(line, 'edge', settings.name)
    const output = {ready: (event: ReadyEvent) => this.announce(event), log}
    const running = new RunningSettings(resolution, (again) => edgeSettings(flags, again))
    return runInForeground(settings, edgePlane(settings, log), output, running)
  }
}
