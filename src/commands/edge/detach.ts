import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {detachInstance, type Detached} from '../../lib/handshake/detach.js'

export default class EdgeDetach extends OverlayCommand<Detached> {
  static override summary = 'Take the handshake plane of an edge off its interfaces'
  static override description = `Removes the filters, maps and links that "edge attach" made, or that an "edge start" left when it was killed.
Connections that are open stay open.`
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --name paris']

  static override flags = {
    name: Flags.string({description: 'name of the edge on this host', default: 'default'}),
  }

  protected async perform(): Promise<Detached> {
    const {flags} = await this.parse(EdgeDetach)
    return detachInstance('edge', flags.name)
  }

  protected render({name, interfaces}: Detached): string {
    return `edge "${name}" is detached from ${interfaces.join(', ') || 'no interface'}`
  }
}
