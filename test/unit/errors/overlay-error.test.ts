import {expect} from 'chai'
import {mkdirSync} from 'node:fs'

import {OverlayError, toOverlayError} from '../../../src/lib/errors/index.js'

function systemError(code: string, syscall: string, path?: string): Error {
  return Object.assign(new Error(`${code}: …`), {code, syscall, path, errno: -1})
}

describe('toOverlayError', () => {
  it('leaves an OverlayError as it is', () => {
    const error = new OverlayError('USAGE', 'no')
    expect(toOverlayError(error)).to.equal(error)
  })

  it('calls a refusal of the kernel a missing privilege, with the way out', () => {
    const error = toOverlayError(systemError('EACCES', 'mkdir', '/run/overlay'))
    expect(error).to.include({code: 'PRIVILEGE_MISSING', message: 'mkdir /run/overlay: not permitted', exitCode: 5})
    expect(error.suggestions[0]).to.match(/root/)
  })

  it('says that a disk is full', () => {
    const error = toOverlayError(systemError('ENOSPC', 'write'))
    expect(error).to.include({code: 'SYSTEM_CALL_FAILED', message: 'write: no space is left there', exitCode: 1})
  })

  it('names call, path and code of any other failed call', () => {
    let thrown: unknown
    try {
      mkdirSync('/proc/1/nowhere')
    } catch (error) {
      thrown = error
    }

    expect(toOverlayError(thrown).toJson()).to.deep.include({
      code: 'SYSTEM_CALL_FAILED',
      message: 'mkdir /proc/1/nowhere failed',
      cause: 'ENOENT',
    })
  })

  it('calls anything else a bug', () => {
    expect(toOverlayError(new TypeError('x is not a function')).toJson()).to.deep.include({
      code: 'INTERNAL',
      message: 'x is not a function',
      cause: 'TypeError',
    })
    expect(toOverlayError('a string').message).to.equal('a string')
  })
})
