import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {newKeyFile, type KeyIds} from '../../lib/keys/key-change.js'
import {renderKeys} from '../../lib/keys/render.js'

export default class KeyNew extends OverlayCommand<KeyIds> {
  static override summary = 'Make a key file'
  static override description = `Writes one key of 32 random bytes into a new file of mode 600. A file that exists is never overwritten. Copy the file to
every edge and gateway that shall work together (scp -p keeps the mode). The key itself is never printed.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> /etc/overlay/keys',
    {
      description: 'With an id of your own',
      command: '<%= config.bin %> <%= command.id %> /etc/overlay/keys --id 20',
    },
  ]

  static override args = {
    file: Args.string({description: 'the file to make', required: true}),
  }

  static override flags = {
    id: Flags.integer({
      description: 'by which both ends name the key; travels in the clear',
      min: 1,
      max: 65_535,
      default: 1,
    }),
  }

  protected async perform(): Promise<KeyIds> {
    const {args, flags} = await this.parse(KeyNew)
    return newKeyFile(args.file, flags.id)
  }

  protected render(ids: KeyIds): string {
    return renderKeys(ids)
  }
}
