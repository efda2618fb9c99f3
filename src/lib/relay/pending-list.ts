/** A member of a {@link PendingList}; in one list at a time. */
export interface Pending<Member> {
  older: Member | null
  newer: Member | null
}

/** Connections in the order in which they came, linked through themselves: adding and removing allocate nothing. */
export class PendingList<Member extends Pending<Member>> {
  oldest: Member | null = null
  length = 0
  private newest: Member | null = null

  add(member: Member): void {
    member.older = this.newest
    member.newer = null
    if (this.newest === null) this.oldest = member
    else this.newest.newer = member
    this.newest = member
    this.length++
  }

  /** The member must be in the list. */
  remove(member: Member): void {
    const {older, newer} = member
    if (older === null) this.oldest = newer
    else older.newer = newer
    if (newer === null) this.newest = older
    else newer.older = older
    member.older = null
    member.newer = null
    this.length--
  }
}
