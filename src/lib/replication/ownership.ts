/**
 * Who owns the address. Every grant of it has an epoch, a number that only grows and travels in every frame. A frame of
 * an older epoch is refused; who sees a newer one has been replaced and stops at once.
 */

/** What a server is when a link comes up, as its HELLO says. */
export const Standing = {
  /** It owns the address in its epoch, or did when it last heard of anybody. */
  OWNER: 1,
  /** It holds the owner's flows and may be granted the next epoch. */
  HOLDER: 2,
  /** It holds nothing and would rather be primary when nobody is. */
  FRESH_PRIMARY: 3,
  /** It holds nothing and would rather be backup. */
  FRESH_BACKUP: 4,
} as const

export type Standing = (typeof Standing)[keyof typeof Standing]

/** One side of a link, as it was when it sent its HELLO. */
export interface Member {
  readonly standing: Standing
  /** 0 when it has never been in a pair. Survives the process: a server that forgot it could be granted an old one. */
  readonly epoch: number
  /** 16 bytes, random for every link. */
  readonly random: Buffer
}

/**
 * What a side does when a link is up:
 * lead: it is the owner and sends a snapshot;
 * follow: it drops what it is, unless it is the holder of that very epoch, and becomes the backup;
 * take over: the owner's process is gone, for its server's HELLO holds nothing: ask for the next epoch, then lead;
 * claim: nobody holds anything: own the address in the epoch after the greatest known, without any flow, then lead.
 */
export type Decision = 'lead' | 'follow' | 'take over' | 'claim'

/**
 * Both sides come to matching decisions from the same two HELLOs.
 *
 * @returns null for two owners of one epoch, which no coordinator grants: neither may go on with the link
 */
export function decide(local: Member, remote: Member): Decision | null {
  const localOwns = local.standing === Standing.OWNER
  const remoteOwns = remote.standing === Standing.OWNER
  if (localOwns && remoteOwns) {
    if (local.epoch === remote.epoch) return null
    return local.epoch > remote.epoch ? 'lead' : 'follow'
  }

  if (localOwns) return local.epoch >= remote.epoch ? 'lead' : 'follow'
  if (remoteOwns) return remote.epoch >= local.epoch ? 'follow' : 'claim'
  const localHolds = local.standing === Standing.HOLDER
  const remoteHolds = remote.standing === Standing.HOLDER
  if (localHolds !== remoteHolds) return localHolds ? 'take over' : 'follow'
  if (local.standing !== remote.standing) return local.standing < remote.standing ? 'claim' : 'follow'
  return local.random.compare(remote.random) > 0 ? 'claim' : 'follow'
}

/**
 * How a server knows that the other one is gone.
 * silent: nothing was heard for longer than any lease lasts;
 * ended: its kernel has closed the link, which it does when the process is dead, and after its host was silenced;
 * fresh: its server's new process holds nothing;
 * left: it said itself that it has dropped what it held;
 * handover: it gave the address away, and is silenced.
 */
export type Evidence = 'silent' | 'ended' | 'fresh' | 'left' | 'handover'

/**
 * Why a server that holds nothing may own the address.
 * agreed: the other server holds nothing either, and says so on a link;
 * recorded: this server owned it alone, and its process was started anew;
 * operator: somebody says that the other server is gone;
 * expired: nobody has kept the lease on it for a while.
 */
export type ClaimReason = 'agreed' | 'recorded' | 'operator' | 'expired'

/** Grants epochs. Answers may come later, and each question is answered at most once. */
export interface Coordinator {
  /** A holder asks for the epoch after the one it holds. No: it was granted to another, and what it holds is old. */
  grant(epoch: number, evidence: Evidence, answer: (granted: boolean) => void): void
  /**
   * An owner without a backup asks whether it is certain that nobody else can take over. Answers the epoch that it goes on
   * in, its own or a newer one, by which what others hold is old; null for no.
   */
  alone(epoch: number, evidence: Evidence, answer: (epoch: number | null) => void): void
  /** What the last question was about has changed: it is not to be answered. */
  cancel(): void
  /** A server that holds nothing asks for an epoch, at least this one. Answers the one granted, or null. */
  claim(epoch: number, reason: ClaimReason, answer: (epoch: number | null) => void): void
}

/**
 * For one pair and nothing else to ask. The holder's own evidence is enough, since the owner's lease has run out before
 * it can be silent for that long. The owner cannot tell a silent backup from one that is cut off and takes over: only a
 * backup that has ended, started anew or left makes it certain.
 */
export const staticCoordinator: Coordinator = {
  grant(_epoch, _evidence, answer) {
    answer(true)
  },
  alone(epoch, evidence, answer) {
    answer(evidence === 'silent' ? null : epoch)
  },
  cancel() {},
  claim(epoch, reason, answer) {
    answer(reason === 'expired' ? null : epoch)
  },
}
