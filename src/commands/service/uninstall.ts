import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {UNIT_DIRECTORY, uninstallService, type ServiceRemoved} from '../../lib/service/install.js'
import {renderRemoved} from '../../lib/service/render.js'

export default class ServiceUninstall extends OverlayCommand<ServiceRemoved> {
  static override summary = 'Stop an edge or gateway that systemd runs, and remove its unit'
  static override description = `Stopping drains: open connections get the drain timeout. Configuration and keys stay where they are. A unit that
"service install" did not write is left alone.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> edge',
    '<%= config.bin %> <%= command.id %> gateway --name west',
  ]

  static override args = {
    role: Args.option({options: ['edge', 'gateway'] as const})({description: 'what it runs', required: true}),
  }

  static override flags = {
    name: Flags.string({description: 'name of the instance', default: 'default', helpValue: 'NAME'}),
    directory: Flags.directory({
      description: 'where the unit lies',
      default: UNIT_DIRECTORY,
      helpValue: 'DIRECTORY',
    }),
  }

  protected async perform(): Promise<ServiceRemoved> {
    const {args, flags} = await this.parse(ServiceUninstall)
    return uninstallService(args.role, flags.name, flags.directory)
  }

  protected render(result: ServiceRemoved): string {
    return renderRemoved(result)
  }
}
