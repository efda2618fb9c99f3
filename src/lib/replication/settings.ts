/** How a pair replicates. Times in ms. */
export interface ReplicationSettings {
  /** Heartbeats of the owner. */
  readonly heartbeatMs: number
  /** The owner speaks for this long after it sent the last heartbeat that was answered. */
  readonly leaseMs: number
  /** The backup takes over when it has heard nothing for this long. More than leaseMs. */
  readonly takeoverMs: number
  /** solo: without a backup go on alone, nothing being replicated. stall: acknowledge nothing until there is one. */
  readonly onBackupLoss: 'solo' | 'stall'
  /** Reading of all flows pauses while the backup has not acknowledged this many bytes, and resumes at half of it. */
  readonly maxOutstanding: number
  /** The same for what the backup must keep since the far peers have not acknowledged it. Below journalBytes. */
  readonly maxHeld: number
  /** Memory of a backup's journals. */
  readonly journalBytes: number
  /** Bytes of the snapshot sent in one turn; live traffic goes between. */
  readonly snapshotBytes: number
}

export const DEFAULT_SETTINGS: ReplicationSettings = {
  heartbeatMs: 10,
  leaseMs: 250,
  takeoverMs: 400,
  onBackupLoss: 'solo',
  maxOutstanding: 16_777_216,
  maxHeld: 134_217_728,
  journalBytes: 268_435_456,
  snapshotBytes: 262_144,
}
