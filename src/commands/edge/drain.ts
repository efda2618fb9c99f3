import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {drainInstance} from '../../lib/relay/drain.js'
import {renderDrain} from '../../lib/relay/render.js'
import type {DrainReport} from '../../lib/relay/supervisor.js'

export default class EdgeDrain extends OverlayCommand<DrainReport> {
  static override summary = 'End a running edge once its connections have ended'
  static override description =
    'Takes no new connections, waits for those that are open, and resets what is left at the deadline. The command ends when the edge has.'

  static override examples = [
    {description: 'With the deadline the edge was started with', command: '<%= config.bin %> <%= command.id %>'},
    {description: 'At most five minutes', command: '<%= config.bin %> <%= command.id %> --timeout 5m'},
  ]

  static override flags = {
    name: Flags.string({description: 'name of the edge', default: 'default', env: 'OVERLAY_EDGE_NAME'}),
    timeout: Flags.string({
      description: "time that open connections get; the edge's own drain timeout when not given",
      helpValue: 'DURATION',
    }),
  }

  protected async perform(): Promise<DrainReport> {
    const {flags} = await this.parse(EdgeDrain)
    return drainInstance('edge', flags.name, flags.timeout)
  }

  protected render(report: DrainReport): string {
    return renderDrain(report)
  }
}
