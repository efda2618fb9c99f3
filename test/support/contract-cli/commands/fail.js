/* eslint-disable n/no-extraneous-import -- the package.json beside this is only for oclif to find */
import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../../../dist/lib/cli/base-command.js'
import {OverlayError} from '../../../../dist/lib/errors/index.js'

export default class Fail extends OverlayCommand {
  static args = {how: Args.string({required: true})}
  static flags = {warn: Flags.boolean()}

  async perform() {
    const {args, flags} = await this.parse(Fail)
    if (flags.warn) this.note('take care')
    if (args.how === 'exception') throw new TypeError('a bug')
    if (args.how === 'oclif') this.error('said by this.error', {exit: 7})
    throw new OverlayError(args.how, 'it failed on purpose', {
      cause: new Error('underneath'),
      suggestions: ['one thing', 'another thing'],
    })
  }

  render() {
    return ''
  }
}
