import {expect} from 'chai'

import {parseRecord, successor, type OwnerRecord, type Question} from '../../../src/lib/coordination/owner-record.js'

const A5: OwnerRecord = {epoch: 5, member: 'a'}
const B5: OwnerRecord = {epoch: 5, member: 'b'}
const B6: OwnerRecord = {epoch: 6, member: 'b'}

describe('who etcd lets own the addresses', () => {
  const cases: [string, OwnerRecord | null, boolean, 'a' | 'b', Question, OwnerRecord | null][] = [
    ['a backup takes over from the owner whose flows it holds', A5, true, 'b', {kind: 'grant', epoch: 6}, B6],
    ['the same asked again, as the answer was lost', B6, true, 'b', {kind: 'grant', epoch: 6}, B6],
    [
      'a backup of an epoch that is over gets nothing',
      {epoch: 7, member: 'a'},
      true,
      'b',
      {kind: 'grant', epoch: 6},
      null,
    ],
    ['nor does one whose owner has gone on alone', {epoch: 6, member: 'a'}, true, 'b', {kind: 'grant', epoch: 6}, null],
    ['nor does anybody where nothing is recorded', null, false, 'b', {kind: 'grant', epoch: 6}, null],
    [
      'an owner whose backup is silent goes on in the next epoch',
      A5,
      true,
      'a',
      {kind: 'alone', epoch: 5, evidence: 'silent'},
      {epoch: 6, member: 'a'},
    ],
    [
      'the same asked again',
      {epoch: 6, member: 'a'},
      true,
      'a',
      {kind: 'alone', epoch: 5, evidence: 'silent'},
      {epoch: 6, member: 'a'},
    ],
    ['but not when the backup was faster', B6, true, 'a', {kind: 'alone', epoch: 5, evidence: 'silent'}, null],
    [
      'an owner whose backup is dead goes on in its epoch',
      A5,
      true,
      'a',
      {kind: 'alone', epoch: 5, evidence: 'ended'},
      A5,
    ],
    [
      'a dead backup that was granted the next epoch may be an owner by now',
      B6,
      true,
      'a',
      {kind: 'alone', epoch: 5, evidence: 'ended'},
      null,
    ],
    [
      'one that is linked and holds nothing has not taken it up',
      B6,
      true,
      'a',
      {kind: 'alone', epoch: 5, evidence: 'fresh'},
      {epoch: 7, member: 'a'},
    ],
    ['the first claim ever', null, false, 'a', {kind: 'claim', epoch: 1, reason: 'agreed'}, {epoch: 1, member: 'a'}],
    [
      'two that hold nothing agree, and are beyond every epoch',
      B6,
      true,
      'a',
      {kind: 'claim', epoch: 3, reason: 'agreed'},
      {epoch: 7, member: 'a'},
    ],
    [
      'an owner that was started anew',
      A5,
      true,
      'a',
      {kind: 'claim', epoch: 6, reason: 'recorded'},
      {epoch: 6, member: 'a'},
    ],
    [
      'an owner that was started anew, and was replaced',
      B6,
      true,
      'a',
      {kind: 'claim', epoch: 6, reason: 'recorded'},
      null,
    ],
    ['nobody claims what somebody keeps', A5, true, 'b', {kind: 'claim', epoch: 6, reason: 'expired'}, null],
    ['what nobody keeps, anybody claims', A5, false, 'b', {kind: 'claim', epoch: 6, reason: 'expired'}, B6],
    ['an operator knows better', A5, true, 'b', {kind: 'claim', epoch: 2, reason: 'operator'}, B6],
  ]
  for (const [title, record, held, member, question, expected] of cases) {
    it(title, () => {
      expect(successor(record, held, member, question)).to.deep.equal(expected)
    })
  }

  it('takes nothing for a record that is none', () => {
    for (const text of [
      '',
      '{}',
      '{"epoch":0,"member":"a"}',
      '{"epoch":1,"member":"c"}',
      '{"epoch":1,"member":"a","x":1}',
    ]) {
      expect(parseRecord(text)).to.equal(null)
    }

    expect(parseRecord('{"epoch":5,"member":"b"}')).to.deep.equal(B5)
  })
})
