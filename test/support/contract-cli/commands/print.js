/* eslint-disable n/no-extraneous-import -- the package.json beside this is only for oclif to find */
import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../../../dist/lib/cli/base-command.js'

export default class Print extends OverlayCommand {
  static flags = {
    length: Flags.integer({default: 1}),
    verdict: Flags.integer({default: 0}),
    warn: Flags.boolean(),
  }

  async perform() {
    const {flags} = await this.parse(Print)
    if (flags.warn) this.note('take care')
    if (flags.verdict !== 0) this.conclude(flags.verdict)
    return {text: 'x'.repeat(flags.length)}
  }

  render(result) {
    return result.text
  }
}
