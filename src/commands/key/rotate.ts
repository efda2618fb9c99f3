import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {rotateKeys, type KeyIds} from '../../lib/keys/key-change.js'
import {renderKeys} from '../../lib/keys/render.js'

export default class KeyRotate extends OverlayCommand<KeyIds> {
  static override summary = 'Put a new key into a key file, and keep the one before'
  static override description = `A key file holds two keys at most: the first is sent with, both are accepted. This makes a new first key, keeps the one
that was first as the second, and drops what was second. The file is replaced in one step with the same mode and owner;
comments in it are not kept. Only the ids are printed. A file that others can read is refused.

To rotate without refusing anybody, edges, gateways and pairs alike:
1. On one host: overlay key rotate FILE --prepare. The new key is the second: accepted, and not yet sent with.
2. Copy the file to every other host (scp -p), and have every edge and gateway read it: "edge reload", "gateway reload", or SIGHUP.
   Now everybody accepts both.
3. On every host, in any order: overlay key rotate FILE --activate, then reload. The new key is sent with.
The old key is accepted until the next rotation drops it; delete its line and reload to drop it at once.

Without --prepare and --activate the new key is sent with at once. That refuses nobody where no pair is, as long as the
file reaches every gateway, and each has been reloaded, before the first edge gets it: an edge chooses the key, a gateway
answers with the same.

Handshakes put by "edge attach" or "gateway attach" have no process to signal: run attach again.`

  static override examples = [
    {description: 'The safe order, step 1', command: '<%= config.bin %> <%= command.id %> /etc/overlay/keys --prepare'},
    {description: 'Step 3', command: '<%= config.bin %> <%= command.id %> /etc/overlay/keys --activate'},
    {description: 'A new key that is used at once', command: '<%= config.bin %> <%= command.id %> /etc/overlay/keys'},
  ]

  static override args = {
    file: Args.string({description: 'the key file', required: true}),
  }

  static override flags = {
    prepare: Flags.boolean({
      description: 'the new key is accepted, and not yet sent with',
      exclusive: ['activate'],
    }),
    activate: Flags.boolean({description: 'no new key: the second becomes the first'}),
  }

  protected async perform(): Promise<KeyIds> {
    const {args, flags} = await this.parse(KeyRotate)
    return rotateKeys(args.file, flags.prepare ? 'prepare' : flags.activate ? 'activate' : 'replace')
  }

  protected render(ids: KeyIds): string {
    return renderKeys(ids)
  }
}
