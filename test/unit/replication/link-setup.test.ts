import {expect} from 'chai'

import {parseKeys} from '../../../src/lib/keys/key-file.js'
import {linkKeys, LinkSetup, RefuseReason, type Side} from '../../../src/lib/replication/link-setup.js'
import {Standing} from '../../../src/lib/replication/ownership.js'
import {FrameHeader, ReplicationProtocolError} from '../../../src/lib/wire/replication-frame.js'

const A = `1 ${'11'.repeat(32)}`
const B = `2 ${'22'.repeat(32)}`

interface Sent {
  header: FrameHeader
  payload: Buffer
}

function side(keys: string, which: Side, versions?: [number, number]) {
  const sent: Sent[] = []
  const random = Buffer.alloc(16, which)
  const setup = new LinkSetup(
    linkKeys(parseKeys(keys, 'test')),
    which,
    {standing: which === 'connecting' ? Standing.OWNER : Standing.HOLDER, epoch: 41, random},
    3,
    (header, payload) =>
      sent.push({header: Object.assign(new FrameHeader(), header), payload: Buffer.from(payload as Buffer)}),
    versions,
  )
  setup.begin()
  return {setup, sent}
}

function exchange(a: ReturnType<typeof side>, b: ReturnType<typeof side>): void {
  for (let i = 0; i < 3; i++) {
    for (const {header, payload} of b.sent.splice(0)) a.setup.frame(header, payload)
    for (const {header, payload} of a.sent.splice(0)) b.setup.frame(header, payload)
  }
}

describe('link set-up', () => {
  it('both sides prove themselves and learn the other', () => {
    const [a, b] = [side(A, 'connecting'), side(A, 'accepting')]
    exchange(a, b)
    expect(a.setup.established?.remote).to.include({standing: Standing.HOLDER, epoch: 41})
    expect(b.setup.established?.remote.standing).to.equal(Standing.OWNER)
    expect(b.setup.established).to.include({version: 1, processIndex: 3})
  })

  it('works while a key is being rotated', () => {
    const [a, b] = [side(`${A}\n${B}`, 'connecting'), side(`${B}\n${A}`, 'accepting')]
    exchange(a, b)
    expect(a.setup.established).to.not.equal(null)
    expect(b.setup.established).to.not.equal(null)
  })

  it('closes on a key of another secret, and on an unknown key', () => {
    const other = `1 ${'33'.repeat(32)}`
    expect(() => exchange(side(A, 'connecting'), side(other, 'accepting'))).to.throw(ReplicationProtocolError, /key/)
    expect(() => exchange(side(A, 'connecting'), side(B, 'accepting'))).to.throw(ReplicationProtocolError, /key id/)
  })

  it('refuses its own frames sent back', () => {
    const a = side(A, 'connecting')
    const [hello] = a.sent.splice(0)
    a.setup.frame(hello.header, hello.payload)
    const [auth] = a.sent.splice(0)
    expect(() => a.setup.frame(auth.header, auth.payload)).to.throw(ReplicationProtocolError)
    expect(a.setup.established).to.equal(null)
  })

  it('refuses every changed bit of a HELLO', () => {
    for (let bit = 0; bit < 256; bit++) {
      const [a, b] = [side(A, 'connecting'), side(A, 'accepting')]
      const [hello] = a.sent.splice(0)
      hello.payload[bit >> 3] ^= 1 << (bit & 7)
      try {
        b.setup.frame(hello.header, hello.payload)
        exchange(a, b)
      } catch (error) {
        expect(error).to.be.instanceOf(ReplicationProtocolError)
      }

      expect(b.setup.established, `bit ${bit}`).to.equal(null)
    }
  })

  it('speaks the highest common version, and says when there is none', () => {
    const [a, b] = [side(A, 'connecting', [1, 4]), side(A, 'accepting', [2, 3])]
    exchange(a, b)
    expect(a.setup.established?.version).to.equal(3)
    const [c, d] = [side(A, 'connecting', [1, 1]), side(A, 'accepting', [2, 3])]
    const [hello] = c.sent.splice(0)
    d.setup.frame(hello.header, hello.payload)
    expect(d.setup.refused).to.equal(RefuseReason.VERSION)
    const refuse = d.sent.splice(0).at(-1) as Sent
    c.setup.frame(refuse.header, refuse.payload)
    expect(c.setup.refused).to.equal(RefuseReason.VERSION)
  })
})
