import type {Hook} from '@oclif/core'

import {nearest} from '../lib/cli/nearest.js'
import {OverlayError} from '../lib/errors/index.js'

const commandNotFound: Hook.CommandNotFound = async function ({config, id, argv}) {
  const words = [id, ...(argv ?? [])].join(' ').replaceAll(':', ' ')
  const typed = id.replaceAll(':', ' ')
  const known = config.commandIDs.map((command) => command.replaceAll(':', ' '))
  const near = nearest(typed, known)
  throw new OverlayError('USAGE', `there is no command "${words}"`, {
    suggestions: [...(near ? [`overlay ${near}`] : []), 'overlay --help for the list'],
  })
}

export default commandNotFound
