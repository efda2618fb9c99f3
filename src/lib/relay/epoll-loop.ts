import {EINTR, systemCallError} from '../kernel/errno.js'
import {allocate, errno, sys} from '../kernel/libc.js'
import {EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLL_CTL_ADD, SOCK_CLOEXEC} from '../kernel/socket-constants.js'
import {TimerWheel} from './timer-wheel.js'

/** Something with a descriptor that the loop watches. */
export abstract class Pollable {
  /** −1 when closed. */
  fd = -1
  /** Travels in the epoll data: an event of a descriptor that was closed and given to another is told by it. */
  generation = 0
  /** True while {@link Pollable.onTurn} is owed. */
  queued = false

  /** @param mask EPOLLIN, EPOLLOUT, … as the kernel gave them */
  abstract onEvents(mask: number): void

  /** Called once at the end of a turn for each {@link EpollLoop.soon}. */
  onTurn(): void {}
}

const SOCKET_EVENTS = (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) >>> 0
const READ_EVENTS = (EPOLLIN | EPOLLRDHUP | EPOLLET) >>> 0
const MAX_EVENTS = 256

/** struct epoll_event is packed on x86_64 only (include/uapi/linux/eventpoll.h). In 32-bit words. */
const PACKED = process.arch === 'x64'
const EVENT_WORDS = PACKED ? 3 : 4
const DATA_WORD = PACKED ? 1 : 2

/**
 * An edge-triggered epoll loop: one epoll_ctl for each descriptor in its life, none to remove it (close does), nothing
 * allocated per event. It blocks the thread, so it lives in a process of its own and Node's event loop never runs there.
 */
export class EpollLoop {
  /** Monotonic ms, read once a turn: good to one turn. */
  now = performance.now()
  /** Unix time in ms, as coarse. */
  unixNow = Date.now()
  readonly timers = new TimerWheel(this.now)
  turns = 0

  private readonly epoll = sys.epoll_create1(SOCK_CLOEXEC)
  private readonly byFd: (Pollable | undefined)[] = []
  private readonly events = allocate(EVENT_WORDS * 4 * MAX_EVENTS)
  private readonly eventWords = new Uint32Array(
    this.events.bytes.buffer,
    this.events.bytes.byteOffset,
    EVENT_WORDS * MAX_EVENTS,
  )

  private readonly control = allocate(16)
  private readonly controlWords = new Uint32Array(this.control.bytes.buffer, this.control.bytes.byteOffset, 4)
  private generation = 0
  private due: Pollable[] = []
  private running: Pollable[] = []
  private stopped = false

  /** @throws OverlayError SYSTEM_CALL_FAILED when the kernel gives no epoll descriptor */
  constructor() {
    if (this.epoll < 0) throw systemCallError('epoll_create1')
  }

  /** Gives a pollable its descriptor and a new generation; events come after {@link EpollLoop.watch}. */
  assign(pollable: Pollable, fd: number): void {
    this.generation = this.generation === 0xff_ff_ff_ff ? 1 : this.generation + 1
    pollable.fd = fd
    pollable.generation = this.generation
    this.byFd[fd] = pollable
  }

  /** Starts the events of a connected or connecting socket; what is ready already comes as the first event. */
  watch(pollable: Pollable): void {
    this.add(pollable, SOCKET_EVENTS)
  }

  /** The same for a descriptor that is only read: a listener, the control channel. */
  watchRead(pollable: Pollable): void {
    this.add(pollable, READ_EVENTS)
  }

  /** Forgets the descriptor, which the caller closes. */
  release(pollable: Pollable): void {
    if (pollable.fd < 0) return
    this.byFd[pollable.fd] = undefined
    pollable.fd = -1
    pollable.generation = 0
  }

  /** Calls `onTurn` at the end of this turn, or at the end of the next when called from there. */
  soon(pollable: Pollable): void {
    if (pollable.queued) return
    pollable.queued = true
    this.due.push(pollable)
  }

  /** Reads the clocks now, for a caller that needs them finer than a turn. */
  refreshClock(): void {
    this.now = performance.now()
    this.unixNow = Date.now()
  }

  stop(): void {
    this.stopped = true
  }

  /** Runs until {@link EpollLoop.stop}. */
  run(): void {
    while (!this.stopped) this.turn(1000)
  }

  /** Waits for events or the next timer, at most `maxWaitMs`, and serves them. */
  turn(maxWaitMs: number): void {
    const count = sys.epoll_wait(this.epoll, this.events.address, MAX_EVENTS, this.wait(maxWaitMs))
    this.refreshClock()
    this.turns++
    if (count < 0 && errno() !== EINTR) throw systemCallError('epoll_wait')
    const words = this.eventWords
    for (let at = 0, i = 0; i < count; i++, at += EVENT_WORDS) {
      const pollable = this.byFd[words[at + DATA_WORD]]
      if (pollable === undefined || pollable.generation !== words[at + DATA_WORD + 1]) continue
      pollable.onEvents(words[at])
    }

    this.timers.advance(this.now)
    if (this.due.length > 0) this.runDue()
  }

  private wait(maxWaitMs: number): number {
    if (this.due.length > 0) return 0
    const delay = this.timers.delay(this.now)
    return delay < 0 || delay > maxWaitMs ? maxWaitMs : delay
  }

  private runDue(): void {
    const running = this.due
    this.due = this.running
    this.running = running
    for (const element of running) {
      element.queued = false
      element.onTurn()
    }

    running.length = 0
  }

  private add(pollable: Pollable, events: number): void {
    this.controlWords[0] = events
    this.controlWords[DATA_WORD] = pollable.fd
    this.controlWords[DATA_WORD + 1] = pollable.generation
    if (sys.epoll_ctl(this.epoll, EPOLL_CTL_ADD, pollable.fd, this.control.address) < 0) {
      throw systemCallError(`epoll_ctl add ${pollable.fd}`)
    }
  }
}
