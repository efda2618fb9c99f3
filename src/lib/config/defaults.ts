import {DEFAULT_SETTINGS} from '../replication/settings.js'

/** What holds when neither flag, environment nor file says otherwise. Times in ms. */
export const DEFAULTS = {
  idleTimeout: 3_600_000,
  connectTimeout: 10_000,
  drainTimeout: 30_000,
  confirmTimeout: 1000,
  healthInterval: 2000,
  preambleTimeout: 5000,
  maxPending: 4096,
  /** A second, of one client in one process. */
  maxClientRate: 5000,
  /** 0: no limit, because what an origin can bear its operator alone knows. */
  maxOriginConnections: 0,
  maxOriginRate: 0,
  zeroRtt: true,
  retryOtherGateway: true,
  /** Segments; 0 leaves the kernel's. */
  initialWindow: 0,
} as const

export const PAIR_DEFAULTS = {
  heartbeat: DEFAULT_SETTINGS.heartbeatMs,
  lease: DEFAULT_SETTINGS.leaseMs,
  takeover: DEFAULT_SETTINGS.takeoverMs,
  onBackupLoss: DEFAULT_SETTINGS.onBackupLoss,
  /** Bytes. */
  journalLimit: DEFAULT_SETTINGS.journalBytes,
} as const

export const ETCD_DEFAULTS = {
  prefix: '/overlay/pairs',
  /** Of the owner's lease in etcd, ms. */
  ttl: 10_000,
} as const
