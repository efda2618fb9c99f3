import {expect} from 'chai'
import fc from 'fast-check'

import {EAGAIN} from '../../../src/lib/kernel/errno.js'
import {allocate, errno, sys} from '../../../src/lib/kernel/libc.js'
import {Pipe, PIPE_LENGTH} from '../../../src/lib/kernel/pipe.js'
import {connectedPair} from './connected-pair.js'

const memory = allocate(2 * PIPE_LENGTH)

describe('pipe', () => {
  it('forgets its first bytes, and gives the rest', () => {
    const pipe = Pipe.open()
    memory.bytes.write('0123456789')
    expect(pipe.load(memory.address, 10)).to.equal(10)
    pipe.full = true
    pipe.drop(4)
    expect([pipe.length, pipe.full]).to.deep.equal([6, false])
    expect(pipe.take().toString()).to.equal('456789')
    expect(pipe.length).to.equal(0)
    expect(() => pipe.drop(1)).to.throw('splice')
    pipe.close()
  })

  it('passes bytes from one socket to another, and keeps a copy when asked', async () => {
    const [from, into] = [await connectedPair(), await connectedPair()]
    const [first, copy] = [Pipe.open(), Pipe.open()]
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({minLength: 1, maxLength: 100_000}), async (bytes) => {
        const sent = Buffer.from(bytes)
        from.node.write(sent)
        const parts: Buffer[] = []
        for (let left = sent.length; left > 0;) {
          const taken = first.fill(from.fd, left)
          if (taken < 0) {
            expect(errno()).to.equal(EAGAIN)
            await new Promise((resolve) => setTimeout(resolve, 1))
            continue
          }

          left -= taken
          expect(copy.copy(first)).to.equal(true)
          expect([first.length, copy.length]).to.deep.equal([taken, taken])
          parts.push(Buffer.from(memory.bytes.subarray(0, copy.read(memory.address))))
          expect(copy.length).to.equal(0)
          while (first.length > 0) if (first.drain(into.fd, false) < 0) expect(errno()).to.equal(EAGAIN)
        }

        expect(Buffer.concat(parts).equals(sent)).to.equal(true)
        expect((await into.read(sent.length)).equals(sent)).to.equal(true)
      }),
      {numRuns: 20},
    )
    expect(first.fill(from.fd, 1)).to.equal(-1)
    from.node.end()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(first.fill(from.fd, 1)).to.equal(0)
    for (const {node, fd} of [from, into]) {
      node.destroy()
      sys.close(fd)
    }

    first.close()
    copy.close()
  })
})
