import {FrameHeader, FrameType, ReplicationProtocolError, REFUSE_LENGTH} from '../wire/replication-frame.js'
import {Backup, type Payload, type TakeoverFlow} from './backup.js'
import {JournalFullError, type Keeper, type Kept} from './journal-memory.js'
import {decide, Standing, type ClaimReason, type Coordinator, type Evidence, type Member} from './ownership.js'
import {Primary, type PrimaryOutput} from './primary.js'
import type {ReplicationSettings} from './settings.js'

/** What a server of a pair asks of the world around it. */
export interface MemberOutput extends PrimaryOutput {
  /**
   * Send a frame on the link: its payload are the `header.length` bytes at `start`. Both are good only during the call.
   */
  send(header: FrameHeader, payload: Payload | null, start: number): void
  /**
   * Close the link. `end`: in order, which tells the other side that we hold or own nothing any more. `reset`: at once and
   * without an end (SO_LINGER 0), which tells nothing. Either way `linkLost` is not called for it.
   */
  closeLink(how: 'end' | 'reset'): void
  /** Keep the epoch where it survives the process, before this returns. */
  persist(epoch: number): void
  /** The owner's {@link PrimaryOutput.setupClock}, s. */
  followClock(seconds: number): void
  /** The address is ours from now on, with these flows: restore them. What they hold is good only during the call. */
  takeOver(plan: readonly TakeoverFlow[], evidence: Evidence | 'claim'): void
  /** The flows of the takeover are known as ours: carry them on. */
  carryOn(): void
  /** The address is somebody else's: stop without a word, forget all flows. */
  standDown(): void
}

const REFUSED_FULL = 2

/**
 * One server of a pair: fresh, owner or backup, and how it becomes what. Holds no link of its own and no clock: the
 * adapter passes on what comes, with the time.
 */
export class PairMember {
  #primary: Primary | null = null
  readonly #backup: Backup
  #epoch: number
  #linked = false
  #asking = false
  /** What is being asked is good only as long as this link is. */
  #agreeing = false
  /** An epoch that was granted while the owner was heard again: it is taken when no lease of the owner can be left. */
  #granted: number | null = null
  #certainUntil = Number.POSITIVE_INFINITY
  /** The address was handed to us on this link: what the other side had sent before it knew is of the past. */
  #handedOver = false
  readonly #refuse = Buffer.alloc(REFUSE_LENGTH)
  readonly #header = new FrameHeader()

  /**
   * @param epoch the one last persisted; 0 when none was
   * @param prefersPrimary who claims the address when both servers hold nothing
   * @param keeper where a backup keeps bytes without a copy; null: it copies them
   */
  constructor(
    readonly settings: ReplicationSettings,
    readonly coordinator: Coordinator,
    readonly output: MemberOutput,
    readonly prefersPrimary: boolean,
    epoch: number,
    keeper: Keeper | null = null,
  ) {
    this.#epoch = epoch
    this.#backup = new Backup(settings, this.#send, keeper)
  }

  get primary(): Primary | null {
    return this.#primary
  }

  get backup(): Backup {
    return this.#backup
  }

  get epoch(): number {
    return this.#epoch
  }

  /** What the next HELLO says. */
  get standing(): Standing {
    if (this.#primary !== null) return Standing.OWNER
    if (this.#backup.synchronised) return Standing.HOLDER
    return this.prefersPrimary ? Standing.FRESH_PRIMARY : Standing.FRESH_BACKUP
  }

  /** An authenticated link is up; any earlier one is gone, with whatever was still in it. */
  linkUp(ownRandom: Buffer, remote: Member, now: number): void {
    if (this.#linked) this.linkLost('reset', now)
    // What the coordinator has answered, or is about to, an owner that comes back now must not be led to doubt.
    if (this.#asking || this.#granted !== null) {
      this.output.closeLink('reset')
      return
    }

    this.#handedOver = false
    const decision = decide({standing: this.standing, epoch: this.#epoch, random: ownRandom}, remote)
    if (decision === null) {
      this.output.closeLink('reset')
      return
    }

    this.#linked = true
    if (decision === 'lead') {
      this.#primary?.lead(remote.standing === Standing.HOLDER && remote.epoch === this.#epoch)
      return
    }

    if (decision === 'take over') {
      this.#ask('fresh')
      return
    }

    if (decision === 'claim') {
      this.#backup.drop()
      this.#claim(Math.max(this.#epoch, remote.epoch) + 1, 'agreed')
      return
    }

    this.#follow(remote.standing === Standing.OWNER && remote.epoch === this.#epoch, now)
  }

  /**
   * The link is gone. `ended`: the other side's kernel has closed it in order. `reset`: any other way, which says nothing
   * about the other side.
   */
  linkLost(how: 'ended' | 'reset', now: number): void {
    if (!this.#linked) return
    this.#linked = false
    if (this.#agreeing) {
      this.coordinator.cancel()
      this.#agreeing = false
      this.#asking = false
    }

    this.#backup.linkDown()
    this.#primary?.linkDown(how === 'ended' ? 'ended' : 'silent', now)
    if (how === 'ended' && this.#primary === null && this.#backup.synchronised) this.#ask('ended')
  }

  /** A frame of the link that is up. @throws nothing: a peer that breaks the protocol loses the link. */
  frame(header: FrameHeader, payload: Buffer, now: number): void {
    this.#guard(now, () => {
      if (this.#isPast(header)) return
      this.#checkEpoch(header, now)
      if (this.#primary !== null) {
        if (header.type === FrameType.REFUSE) {
          this.#linked = false
          this.#primary.linkDown('left', now)
          this.output.closeLink('reset')
        } else this.#primary.frame(header, now)
        return
      }

      this.#backup.heard(now)
      if (header.type === FrameType.HEARTBEAT) {
        this.output.followClock(header.acknowledged)
        // An answer would give the owner a new lease, while it is being asked who is to be the next.
        if (this.#asking) return
      }

      if (header.type === FrameType.HANDOVER) {
        if (this.#backup.synchronised) this.#ask('handover')
      } else if (header.type !== FrameType.HANDOVER_DONE) this.#backup.frame(header, payload)
    })
  }

  /** A part of a DATA frame. */
  data(header: FrameHeader, bytes: Buffer, start: number, end: number, now: number): void {
    this.#guard(now, () => {
      if (this.#isPast(header)) return
      this.#checkEpoch(header, now)
      if (this.#primary !== null) throw new ReplicationProtocolError('data for an owner')
      this.#backup.heard(now)
      this.#backup.data(header, bytes, start, end)
    })
  }

  /** Where the rest of a DATA frame may be put; {@link PairMember.put} follows. @returns null: nowhere, it comes as data */
  keep(header: FrameHeader): Kept | null {
    const bytesCount = this.#linked && !this.#handedOver && this.#primary === null && header.epoch === this.#epoch
    return bytesCount ? this.#backup.keep(header) : null
  }

  /** So many bytes of a DATA frame, `header.length`, were put where {@link PairMember.keep} said. */
  put(header: FrameHeader, now: number): void {
    this.#guard(now, () => {
      this.#backup.heard(now)
      this.#backup.put(header)
    })
  }

  /** All that was read from the link in one turn has been passed on. */
  flush(): void {
    if (this.#linked && this.#primary === null) this.#backup.flush()
  }

  /**
   * Call it every few ms, also without a link.
   *
   * @param linkMoves see {@link Backup.tick}
   */
  tick(now: number, linkMoves = false): void {
    if (this.#primary !== null) {
      this.#primary.tick(now)
      return
    }

    if (!this.#backup.tick(now, linkMoves) || !this.#backup.synchronised) return
    if (this.#granted === null) this.#ask('silent')
    else this.#own(this.#granted, 'silent')
  }

  /**
   * Owns the address without the other server.
   *
   * @throws Error when this server owns it or holds an owner's flows
   */
  claim(reason: ClaimReason): void {
    if (this.#primary !== null || this.#backup.synchronised) throw new Error('this server is not fresh')
    this.#claim(this.#epoch + 1, reason)
  }

  /** For how long an owner may be alone, ms: see {@link Lease.certainUntil}. */
  certainUntil(until: number): void {
    this.#certainUntil = until
    this.#primary?.lease.certainUntil(until)
  }

  /** Planned hand-over. @throws Error when no backup holds the flows */
  handOver(now: number): void {
    if (this.#primary === null) throw new Error('this server does not own the address')
    this.#primary.handOver(now)
  }

  /** The link's bytes cannot be parsed any further. */
  protocolError(now: number): void {
    if (!this.#linked) return
    this.linkLost('reset', now)
    this.output.closeLink('reset')
  }

  #guard(now: number, action: () => void): void {
    if (!this.#linked) return
    try {
      action()
    } catch (error) {
      if (error instanceof JournalFullError) this.#leave()
      else if (error instanceof ReplicationProtocolError) this.protocolError(now)
      else throw error
    }
  }

  #isPast(header: FrameHeader): boolean {
    if (this.#handedOver && header.epoch >= this.#epoch) this.#handedOver = false
    return this.#handedOver
  }

  #checkEpoch(header: FrameHeader, now: number): void {
    if (header.epoch < this.#epoch) {
      throw new ReplicationProtocolError(`a frame of epoch ${header.epoch}, this is ${this.#epoch}`)
    }

    if (header.epoch === this.#epoch) return
    this.#follow(false, now)
    this.#epoch = header.epoch
    this.output.persist(this.#epoch)
  }

  /** @param keep what we hold is of the owner that we follow */
  #follow(keep: boolean, now: number): void {
    if (this.#primary !== null) {
      this.#primary = null
      this.output.standDown()
    }

    if (!keep) this.#backup.drop()
    this.#granted = null
    this.#backup.heard(now)
  }

  /** The journals are full: nothing is held from here on, and only then is it said. */
  #leave(): void {
    this.#backup.drop()
    this.#refuse.writeUInt16BE(REFUSED_FULL, 2)
    this.#header.type = FrameType.REFUSE
    this.#header.length = REFUSE_LENGTH
    this.#send(this.#header, this.#refuse, 0)
    this.#linked = false
    this.output.closeLink('end')
  }

  #ask(evidence: Evidence): void {
    if (this.#asking) return
    this.#asking = true
    const next = this.#epoch + 1
    this.coordinator.grant(next, evidence, (granted) => this.#answered(next, evidence, granted))
  }

  #answered(next: number, evidence: Evidence, granted: boolean): void {
    this.#asking = false
    if (this.#epoch >= next || !this.#backup.synchronised) return
    if (!granted) {
      this.#backup.drop()
      this.#leaveLink()
      return
    }

    // An owner that is only cut off would go on sending here; it learns the epoch from the next HELLO.
    if (evidence === 'silent') this.#leaveLink()

    // The answer took a while: an owner that was heard since has a lease again.
    if (evidence === 'silent' && !this.#backup.silent) this.#granted = next
    else this.#own(next, evidence)
  }

  #claim(epoch: number, reason: ClaimReason): void {
    if (this.#asking) return
    this.#asking = true
    this.#agreeing = reason === 'agreed'
    this.coordinator.claim(epoch, reason, (granted) => {
      this.#asking = false
      this.#agreeing = false
      if (this.#primary !== null || this.#backup.synchronised) return
      if (granted === null) this.#leaveLink()
      else this.#own(granted, 'claim')
    })
  }

  /** What the next link begins with is decided anew. */
  #leaveLink(): void {
    if (!this.#linked) return
    this.#linked = false
    this.#backup.linkDown()
    this.output.closeLink('reset')
  }

  #own(epoch: number, evidence: Evidence | 'claim'): void {
    this.#granted = null
    this.#epoch = epoch
    this.output.persist(epoch)
    this.#backup.linkDown()
    const plan = this.#backup.plan()
    const primary = new Primary(this.settings, epoch, this.coordinator, this.#send, this.output, this.#raise)
    primary.lease.certainUntil(this.#certainUntil)
    this.#primary = primary
    this.output.takeOver(plan, evidence)
    primary.adopt(plan)
    this.#backup.drop()
    this.output.carryOn()
    if (!this.#linked) return
    if (evidence === 'handover') {
      this.#handedOver = true
      this.#header.type = FrameType.HANDOVER_DONE
      this.#header.length = 0
      this.#send(this.#header, null, 0)
    }

    primary.lead(false)
  }

  /** The owner goes on in another epoch. */
  readonly #raise = (epoch: number): void => {
    this.#epoch = epoch
    this.output.persist(epoch)
    this.#leaveLink()
  }

  readonly #send = (header: FrameHeader, payload: Payload | null, start: number): void => {
    if (!this.#linked) return
    header.epoch = this.#epoch
    this.output.send(header, payload, start)
  }
}
