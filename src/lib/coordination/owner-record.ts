import {z} from 'zod'

import type {ClaimReason, Evidence} from '../replication/ownership.js'

/**
 * What etcd keeps of a pair: who was granted the address last. It outlives every process; beside it the owner keeps a
 * lease, which says no more than that it lives.
 */
export interface OwnerRecord {
  readonly epoch: number
  readonly member: 'a' | 'b'
}

const schema = z.strictObject({epoch: z.int().min(1).max(4_294_967_295), member: z.enum(['a', 'b'])})

/** @returns null for what is not a record */
export function parseRecord(text: string): OwnerRecord | null {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** A question that a member asks, with the epoch that it is about: the one it owns for `alone`, else the one it wants. */
export type Question =
  | {readonly kind: 'grant'; readonly epoch: number}
  | {readonly kind: 'alone'; readonly epoch: number; readonly evidence: Evidence}
  | {readonly kind: 'claim'; readonly epoch: number; readonly reason: ClaimReason}

/**
 * Pure: the record that makes the answer yes, to be put in the place of this one and no other (compare-and-swap). An
 * owner that is to be alone is given the next epoch, which is what its backup would have asked for: of the two only one
 * gets it, and what the other has is old from then on.
 *
 * @param leaseHeld somebody keeps the owner's lease
 * @returns null for no
 */
export function successor(
  record: OwnerRecord | null,
  leaseHeld: boolean,
  member: OwnerRecord['member'],
  question: Question,
): OwnerRecord | null {
  const {kind, epoch} = question
  const mine = (of: number): boolean => record !== null && record.member === member && record.epoch === of
  switch (kind) {
    case 'grant': {
      // What was written but not heard of is written again.
      return mine(epoch) || record?.epoch === epoch - 1 ? {epoch, member} : null
    }

    case 'alone': {
      if (question.evidence === 'silent') return mine(epoch) || mine(epoch + 1) ? {epoch: epoch + 1, member} : null
      if (mine(epoch)) return {epoch, member}
      // Linked, and empty: whatever was granted to it, it has not taken up.
      return question.evidence === 'fresh' ? {epoch: epochAfter(record, epoch), member} : null
    }

    case 'claim': {
      const next = {epoch: epochAfter(record, epoch - 1), member}
      if (record === null || question.reason === 'agreed' || question.reason === 'operator') return next
      if (question.reason === 'recorded') return mine(epoch - 1) ? next : null
      return leaseHeld ? null : next
    }
  }
}

const epochAfter = (record: OwnerRecord | null, epoch: number): number => Math.max(epoch, record?.epoch ?? 0) + 1
