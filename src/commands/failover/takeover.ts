import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {renderTakeover, takeover, type TakeoverResult} from '../../lib/pair/pair-control.js'

export default class FailoverTakeover extends OverlayCommand<TakeoverResult> {
  static override summary = "Hand the addresses of this host's member of a pair to the other server"
  static override description = `Run it on the owner, before maintenance: the other server carries every connection on, and this one becomes its backup.
It is refused when no backup holds the connections.

With --alone this server claims the addresses without the other one. A pair that has just been started waits for both of
its servers, since one alone cannot tell whether the other owns the addresses: say so only when you know that it does not.`
  static override examples = [
    {description: 'Hand over', command: '<%= config.bin %> <%= command.id %>'},
    {
      description: 'The other server is broken and this one was restarted',
      command: '<%= config.bin %> <%= command.id %> --name edge-a --alone',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'name of the member; needed when several run here'}),
    alone: Flags.boolean({description: 'claim the addresses: the other server does not have them'}),
  }

  protected async perform(): Promise<TakeoverResult> {
    const {flags} = await this.parse(FailoverTakeover)
    return takeover(flags.name, flags.alone ?? false)
  }

  protected render(result: TakeoverResult): string {
    return renderTakeover(result)
  }
}
