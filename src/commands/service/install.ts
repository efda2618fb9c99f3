import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {UNIT_DIRECTORY, installService, type ServiceInstalled} from '../../lib/service/install.js'
import {renderInstalled} from '../../lib/service/render.js'

export default class ServiceInstall extends OverlayCommand<ServiceInstalled> {
  static override summary = 'Write the systemd unit of an edge or gateway'
  static override description = `Checks configuration and key file as "start" does, then writes a unit with only the capabilities that this configuration
needs; every directive has its reason beside it. The service is not started. Install again when the drain timeout, a port
below 1024, zero-RTT or the pair in the configuration has changed, or overlay has moved.

Without --name the unit is overlay-edge.service or overlay-gateway.service, else overlay-edge-NAME.service.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> edge',
    {
      description: 'Only see it',
      command: '<%= config.bin %> <%= command.id %> gateway --config ./overlay.yaml --dry-run',
    },
  ]

  static override args = {
    role: Args.option({options: ['edge', 'gateway'] as const})({description: 'what to run', required: true}),
  }

  static override flags = {
    name: Flags.string({description: 'name of the instance', default: 'default', helpValue: 'NAME'}),
    config: Flags.file({
      description: 'configuration file that the service reads',
      default: '/etc/overlay/overlay.yaml',
      helpValue: 'FILE',
    }),
    directory: Flags.directory({
      description: 'where to write the unit; systemd is told only of its own directory',
      default: UNIT_DIRECTORY,
      helpValue: 'DIRECTORY',
    }),
    'dry-run': Flags.boolean({description: 'print the unit, write nothing'}),
  }

  private dryRun = false

  protected async perform(): Promise<ServiceInstalled> {
    const {args, flags} = await this.parse(ServiceInstall)
    this.dryRun = flags['dry-run']
    return installService({...flags, role: args.role, dryRun: this.dryRun})
  }

  protected render(result: ServiceInstalled): string {
    return renderInstalled(result, this.dryRun)
  }
}
