import {EAGAIN, errnoName} from '../kernel/errno.js'
import {UnixDatagramSender} from '../kernel/unix-datagram.js'

/** The service manager's queue was full: tried again after so long, so often, ms. */
const RETRY_MS = 100
const RETRIES = 50

/** The watchdog is fed so often in its time: one missed feeding does not end the service. */
const FEEDINGS = 3

/** µs; the longest of a timer in Node, and nothing that a watchdog is set to. */
const LONGEST_WATCHDOG_US = 2_147_483_647_000

/** Variables of sd_notify(3) and sd_watchdog_enabled(3). */
export interface ServiceEnvironment {
  NOTIFY_SOCKET?: string
  WATCHDOG_USEC?: string
  WATCHDOG_PID?: string
}

/**
 * Tells the service manager, systemd or one that speaks its protocol, what this process is doing: datagrams of lines
 * `NAME=value` to the unix socket that NOTIFY_SOCKET names (sd_notify(3)). A manager that does not take them never
 * holds up the service.
 */
export class ServiceManager {
  private watchdog: NodeJS.Timeout | undefined
  private readonly waiting: string[] = []
  private retries = 0
  private troubled = false

  private constructor(
    private readonly sender: UnixDatagramSender,
    /** Time in which the watchdog wants to be fed, ms; null when nobody asked for one. */
    readonly watchdogMs: number | null,
    private readonly trouble: (message: string) => void,
  ) {}

  /**
   * The manager that started this process, or null. The variables are deleted, so that no child speaks for the service.
   *
   * @param trouble told once why a message did not arrive
   * @param pid that WATCHDOG_PID must name, if it names any
   */
  static of(
    environment: ServiceEnvironment,
    trouble: (message: string) => void,
    pid: number = process.pid,
  ): ServiceManager | null {
    const {NOTIFY_SOCKET: path, WATCHDOG_USEC: time, WATCHDOG_PID: watched} = environment
    delete environment.NOTIFY_SOCKET
    delete environment.WATCHDOG_USEC
    delete environment.WATCHDOG_PID
    if (path === undefined || path === '') return null
    // A vsock: address is for the manager outside a virtual machine.
    if (!path.startsWith('/') && !path.startsWith('@')) {
      trouble(
        `NOTIFY_SOCKET is "${path}", neither a path nor an abstract name: the service manager is not told anything`,
      )
      return null
    }

    const us = Number(time)
    const asked = (watched === undefined || Number(watched) === pid) && us > 0 && us <= LONGEST_WATCHDOG_US
    try {
      return new ServiceManager(new UnixDatagramSender(path), asked ? us / 1000 : null, trouble)
    } catch (error) {
      trouble(`NOTIFY_SOCKET: ${(error as Error).message}`)
      return null
    }
  }

  /** @param status one line for `systemctl status` */
  ready(status: string): void {
    this.notify('READY=1', statusLine(status))
  }

  /** Configuration is being read again; {@link ServiceManager.ready} must follow. */
  reloading(): void {
    // CLOCK_MONOTONIC, which is what libuv's hrtime reads.
    this.notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  }

  stopping(status: string): void {
    this.notify('STOPPING=1', statusLine(status))
  }

  /**
   * Feeds the watchdog for as long as the service is well. Without a watchdog nothing happens.
   *
   * @param check the status line, or null when the service is not well: the watchdog then is not fed
   */
  watch(check: () => Promise<string | null>): void {
    if (this.watchdogMs === null || this.watchdog !== undefined) return
    this.watchdog = setInterval(() => {
      check().then(
        (status) => {
          if (status !== null) this.notify('WATCHDOG=1', statusLine(status))
        },
        () => {},
      )
    }, this.watchdogMs / FEEDINGS)
  }

  /** Nothing is said after this. */
  close(): void {
    clearInterval(this.watchdog)
    this.waiting.length = 0
  }

  private notify(...lines: string[]): void {
    this.waiting.push(lines.join('\n') + '\n')
    if (this.waiting.length === 1) this.flush()
  }

  /** In order: a READY that comes after a STOPPING would say something else. */
  private flush(): void {
    while (this.waiting.length > 0) {
      const error = this.sender.send(this.waiting[0])
      if (error === EAGAIN && this.retries < RETRIES) {
        this.retries++
        setTimeout(() => this.flush(), RETRY_MS).unref()
        return
      }

      this.waiting.shift()
      this.retries = 0
      if (error !== 0 && !this.troubled) {
        this.troubled = true
        this.trouble(`the service manager cannot be told: ${errnoName(error)}`)
      }
    }
  }
}

function statusLine(status: string): string {
  return `STATUS=${status.replaceAll(/\s+/g, ' ')}`
}
