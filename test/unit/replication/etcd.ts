import {successor, type OwnerRecord, type Question} from '../../../src/lib/coordination/owner-record.js'
import {ControlCoordinator} from '../../../src/lib/pair/control-coordinator.js'
import type {Coordinator} from '../../../src/lib/replication/ownership.js'
import type {Random} from './random.js'

/** What etcd must know of the world that it is in. Times in ms. */
export interface EtcdWorld {
  readonly time: number
  readonly random: Random
  /** Calls back after so long, whatever happens. */
  after(ms: number, act: () => void): void
  /** A member's own clock. */
  clock(index: number): number
  /** Whether the process that asked is still there; it may be stopped. */
  lives(index: number, coordinator: Coordinator): boolean
  stopped(index: number): boolean
  certainUntil(index: number, until: number): void
}

const RETRY_MS = 200
const TTL_MS = 2000
const KEEP_ALIVE_MS = 500

/** etcd with one pair in it, as src/lib/coordination/etcd-coordination.ts uses it: slow, and at times out of reach. */
export class SimulatedEtcd {
  record: OwnerRecord | null = null
  readonly reachable = [true, true]
  leaseUntil = 0

  constructor(readonly world: EtcdWorld) {}

  /** For a member's new process. */
  member(index: number): Coordinator {
    return new Asker(this, index).coordinator
  }
}

class Asker {
  readonly coordinator: ControlCoordinator
  #question: {id: number; question: Question} | null = null
  #busy = false

  constructor(
    private readonly etcd: SimulatedEtcd,
    private readonly index: number,
  ) {
    this.coordinator = new ControlCoordinator((id, question) => {
      this.#question = question && {id, question}
      this.#next()
    })
    this.#later(KEEP_ALIVE_MS, () => this.#keep())
  }

  get #away(): boolean {
    return !this.etcd.reachable[this.index] || this.etcd.world.stopped(this.index)
  }

  #later(ms: number, act: () => void): void {
    const {world} = this.etcd
    world.after(ms, () => {
      if (world.lives(this.index, this.coordinator)) act()
    })
  }

  /** One question at a time. */
  #next(): void {
    const {etcd, index} = this
    const {world} = etcd
    const asked = this.#question
    if (this.#busy || asked === null) return
    this.#busy = true
    if (this.#away) {
      this.#later(RETRY_MS, () => this.#free())
      return
    }

    const sentAt = world.clock(index)
    world.after(world.random.between(1, 30), () => {
      const next = successor(etcd.record, etcd.leaseUntil > world.time, index === 0 ? 'a' : 'b', asked.question)
      if (next !== null) {
        etcd.record = next
        etcd.leaseUntil = world.time + TTL_MS
      }

      this.#later(world.random.between(1, 30), () => {
        // The answer may be lost, though it is written.
        if (this.#away || world.random.chance(0.1)) {
          this.#later(RETRY_MS, () => this.#free())
          return
        }

        if (this.#question === asked) {
          this.#question = null
          if (next !== null) world.certainUntil(index, sentAt + TTL_MS)
          this.coordinator.answered(asked.id, next?.epoch ?? null)
        }

        this.#free()
      })
    })
  }

  #free(): void {
    this.#busy = false
    this.#next()
  }

  #keep(): void {
    const {etcd, index} = this
    const {world} = etcd
    this.#later(KEEP_ALIVE_MS, () => this.#keep())
    if (this.#away || etcd.record?.member !== 'ab'[index]) return
    const sentAt = world.clock(index)
    world.after(world.random.between(1, 30), () => {
      etcd.leaseUntil = world.time + TTL_MS
      world.certainUntil(index, sentAt + TTL_MS)
    })
  }
}
