import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {ExitCode} from '../../lib/errors/index.js'
import {reloadInstance, renderReload, type ReloadReport} from '../../lib/relay/reload.js'

export default class EdgeReload extends OverlayCommand<ReloadReport> {
  static override summary = 'Have a running edge read its configuration and key file again'
  static override description = `The whole configuration is checked first. When it or the key file cannot be used, everything stays as it is, and the
command says why. New keys, services with their gateways, limits and timeouts hold from then on, and no connection that is open notices.
Each changed value is named. One that needs a restart is named as such, and the exit code is 3 then. SIGHUP does the
same, and writes to the log.`

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --name web']

  static override flags = {
    name: Flags.string({description: 'name of the edge', default: 'default', env: 'OVERLAY_EDGE_NAME'}),
  }

  protected async perform(): Promise<ReloadReport> {
    const {flags} = await this.parse(EdgeReload)
    const report = await reloadInstance('edge', flags.name)
    if (report.restart.length > 0) this.conclude(ExitCode.Negative)
    return report
  }

  protected render(report: ReloadReport): string {
    return renderReload(report)
  }
}
