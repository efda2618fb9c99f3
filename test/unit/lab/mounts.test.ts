import {expect} from 'chai'

import {parseMountInfo} from '../../../src/lib/kernel/mount-info.js'
import {mountsBelow} from '../../../src/lib/lab/mounts.js'

const line = (target: string): string => `36 35 98:0 / ${target} rw,noatime - bpf bpf rw`

describe('mounts of a lab', () => {
  it('are found in mountinfo, the deepest first', () => {
    const info = ['/run/lab/a/x', '/run/lab/a/x/y', '/run/lab/ab', '/', String.raw`/run/lab/a/s\040p`].map((t) =>
      line(t),
    )
    expect(mountsBelow('/run/lab/a', parseMountInfo(info.join('\n')))).to.deep.equal([
      '/run/lab/a/x/y',
      '/run/lab/a/s p',
      '/run/lab/a/x',
    ])
  })
})
