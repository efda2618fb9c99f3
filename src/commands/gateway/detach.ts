import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {detachInstance, type Detached} from '../../lib/handshake/detach.js'

export default class GatewayDetach extends OverlayCommand<Detached> {
  static override summary = 'Take the handshake plane of a gateway off its interfaces'
  static override description = `Removes the filters, maps and links that "gateway attach" made, or that a "gateway start" left when it was killed.
Connections that are open stay open.`
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --name paris']

  static override flags = {
    name: Flags.string({description: 'name of the gateway on this host', default: 'default'}),
  }

  protected async perform(): Promise<Detached> {
    const {flags} = await this.parse(GatewayDetach)
    return detachInstance('gateway', flags.name)
  }

  protected render({name, interfaces}: Detached): string {
    return `gateway "${name}" is detached from ${interfaces.join(', ') || 'no interface'}`
  }
}
