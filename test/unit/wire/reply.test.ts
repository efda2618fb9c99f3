import {expect} from 'chai'

import {PreambleKey} from '../../../src/lib/wire/preamble.js'
import {
  REPLY_LENGTH,
  Refusal,
  ReplyStatus,
  copyChallenge,
  readReply,
  replyReason,
  writeReply,
} from '../../../src/lib/wire/reply.js'

const key = new PreambleKey(3, Buffer.alloc(32, 1))
const mac = Buffer.alloc(32, 2)

function made(status: number, reason: number, challenge: Buffer | null = null): Buffer {
  const bytes = Buffer.alloc(REPLY_LENGTH)
  writeReply(bytes, 0, status, reason, challenge, key, mac)
  return bytes
}

describe('reply', () => {
  it('reads back what was written', () => {
    expect(readReply(made(ReplyStatus.Accepted, 0), 0, key, mac)).to.equal(ReplyStatus.Accepted)
    const refused = made(ReplyStatus.Refused, Refusal.Draining)
    expect(readReply(refused, 0, key, mac)).to.equal(ReplyStatus.Refused)
    expect(replyReason(refused, 0)).to.equal(Refusal.Draining)
    const challenge = Buffer.from('0123456789abcdef')
    const challenged = made(ReplyStatus.Challenge, 0, challenge)
    expect(readReply(challenged, 0, key, mac)).to.equal(ReplyStatus.Challenge)
    const into = Buffer.alloc(16)
    copyChallenge(challenged, 0, into)
    expect(into.equals(challenge)).to.equal(true)
    expect(challenged.subarray(0, 8).toString('hex')).to.equal('4f56523102000003')
  })

  it('is none when any byte differs', () => {
    const good = made(ReplyStatus.Accepted, 0)
    for (let at = 0; at < REPLY_LENGTH; at++) {
      const bad = Buffer.from(good)
      bad[at] ^= 1
      expect(readReply(bad, 0, key, mac), `byte ${at}`).to.equal(-1)
    }
  })

  it('belongs to one preamble and one key', () => {
    const good = made(ReplyStatus.Accepted, 0)
    expect(readReply(good, 0, key, Buffer.alloc(32, 3))).to.equal(-1)
    expect(readReply(good, 0, new PreambleKey(3, Buffer.alloc(32, 9)), mac)).to.equal(-1)
    expect(readReply(made(3, 0), 0, key, mac)).to.equal(-1)
  })
})
