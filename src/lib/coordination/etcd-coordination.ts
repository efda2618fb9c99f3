import {readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

import {Etcd3, EtcdLeaseInvalidError, type IOptions, type Lease} from 'etcd3'

import {OverlayError} from '../errors/index.js'
import {bootTimeMs} from '../kernel/boot-time.js'
import {parseRecord, successor, type OwnerRecord, type Question} from './owner-record.js'

/** A question is asked again after so long while etcd cannot be reached, ms. */
const RETRY_MS = 200

/** Of one call, ms. */
const CALL_DEADLINE_MS = 2000

/** A lease is kept alive so many times in its life. */
const KEEP_ALIVES = 4

/** Local clocks and etcd's may run apart by this share of a lease. */
const CLOCK_SHARE = 0.02

export interface EtcdSettings {
  /** `https://host:port`, `http://host:port` or `unix:/path`. */
  readonly endpoints: readonly string[]
  /** Both members' name for the pair; keys are `PREFIX/NAME/owner` and `PREFIX/NAME/lease`. */
  readonly name: string
  readonly prefix: string
  /** Of the owner's lease, s. */
  readonly ttl: number
  /** PEM files. */
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

interface State {
  record: OwnerRecord | null
  /** mod_revision of the record; 0 when there is none. */
  revision: string
  leaseHeld: boolean
}

/** What its owner is told. */
export interface CoordinationEvents {
  /** Until then an owner may be alone, ms of CLOCK_BOOTTIME; it moves on with every renewal. */
  certainUntil(until: number): void
  /** etcd could not be reached, or can be again. */
  trouble(message: string | null): void
}

/**
 * Asks etcd who owns a pair's address (docs/ARCHITECTURE.md). One question at a time; a newer one takes the place of one
 * that is still being asked. While etcd cannot be reached a question stays open.
 */
export class EtcdCoordination {
  readonly #client: Etcd3
  readonly #owner: string
  readonly #leaseKey: string
  #lease: Lease | null = null
  #keeping: NodeJS.Timeout | null = null
  #current: Promise<unknown> = Promise.resolve()
  #turn = 0
  #closed = false
  #troubled = false
  #until = Number.NEGATIVE_INFINITY

  /** @throws OverlayError CONFIG_INVALID when a file of the TLS settings cannot be read */
  constructor(
    private readonly settings: EtcdSettings,
    private readonly member: OwnerRecord['member'],
    private readonly events: CoordinationEvents,
  ) {
    this.#client = new Etcd3(clientOptions(settings))
    const directory = `${settings.prefix}/${settings.name}`
    this.#owner = `${directory}/owner`
    this.#leaseKey = `${directory}/lease`
  }

  /** What is recorded now. @throws when etcd cannot be reached */
  async read(): Promise<State> {
    const [owner, lease] = await Promise.all([
      this.#client.get(this.#owner).exec(),
      this.#client.get(this.#leaseKey).exec(),
    ])
    const entry = owner.kvs[0] as (typeof owner.kvs)[number] | undefined
    if (entry === undefined) return {record: null, revision: '0', leaseHeld: lease.kvs.length > 0}
    const record = parseRecord(entry.value.toString())
    if (record === null) {
      throw new OverlayError('CONFIG_INVALID', `${this.#owner} in etcd is not what a pair has written there`, {
        cause: entry.value.toString().slice(0, 200),
        suggestions: ['give the pair another name, or delete the key when no member runs'],
      })
    }

    return {record, revision: entry.mod_revision, leaseHeld: lease.kvs.length > 0}
  }

  /**
   * @param question null: nothing is asked any more
   * @returns the epoch that was granted, or null for no; undefined when a newer question has taken this one's place, or
   * everything is closed
   */
  async ask(question: Question | null): Promise<number | null | undefined> {
    const turn = ++this.#turn
    if (question === null) return undefined
    const asked = this.#current.then(() => this.#ask(question, turn))
    this.#current = asked.catch(() => {})
    return asked
  }

  /** Keeps nothing alive any more. The record stays: it says who was the last. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#keeping !== null) clearInterval(this.#keeping)
    const lease = this.#lease
    this.#lease = null
    // A lease that is given back lets others claim at once what this server gave up in order.
    await lease?.revoke().catch(() => {})
    this.#client.close()
  }

  async #ask(question: Question, turn: number): Promise<number | null | undefined> {
    while (turn === this.#turn && !this.#closed) {
      try {
        const answer = await this.#tryOnce(question)
        this.#note(null)
        if (answer !== undefined) return answer
      } catch (error) {
        this.#note((error as Error).message)
        await sleep(RETRY_MS)
      }
    }

    return undefined
  }

  /** @returns undefined when somebody else has written meanwhile */
  async #tryOnce(question: Question): Promise<number | null | undefined> {
    const {record, revision, leaseHeld} = await this.read()
    const next = successor(record, leaseHeld, this.member, question)
    if (next === null) return null
    const sentAt = bootTimeMs()
    const lease = await this.#leaseOf()
    const done = await this.#client
      .if(this.#owner, 'Mod', '==', Number(revision))
      .then(
        this.#client.put(this.#owner).value(JSON.stringify(next)),
        this.#client.put(this.#leaseKey).value(this.member).lease(lease),
      )
      .commit()
    if (!done.succeeded) return undefined
    this.#extend(sentAt)
    return next.epoch
  }

  /** The id of a lease that is kept alive from now on. */
  async #leaseOf(): Promise<string> {
    this.#lease ??= this.#client.lease(this.settings.ttl, {autoKeepAlive: false})
    const sentAt = bootTimeMs()
    try {
      const id = await this.#lease.grant()
      if (this.#keeping === null) {
        this.#until = this.#end(sentAt)
        this.#keeping = setInterval(
          () => {
            this.#keepAlive().catch(() => {})
          },
          (this.settings.ttl * 1000) / KEEP_ALIVES,
        )
      }

      return id
    } catch (error) {
      this.#lease = null
      throw error
    }
  }

  async #keepAlive(): Promise<void> {
    const lease = this.#lease
    if (lease === null || this.#closed) return
    const sentAt = bootTimeMs()
    try {
      await withDeadline(lease.keepaliveOnce())
      this.#extend(sentAt)
      this.#note(null)
    } catch (error) {
      this.#note((error as Error).message)
      if (error instanceof EtcdLeaseInvalidError) await this.#renew()
    }
  }

  /** The lease has run out, perhaps while etcd could not be reached. Who is still the owner on record takes another. */
  async #renew(): Promise<void> {
    this.#lease = null
    const {record} = await this.read().catch(() => ({record: null}))
    if (record === null || record.member !== this.member) return
    // As it was: the lease is put beside it.
    await this.ask({kind: 'grant', epoch: record.epoch}).catch(() => {})
  }

  #extend(sentAt: number): void {
    this.#until = Math.max(this.#until, this.#end(sentAt))
    this.events.certainUntil(this.#until)
  }

  #end(sentAt: number): number {
    return sentAt + this.settings.ttl * 1000 * (1 - CLOCK_SHARE)
  }

  #note(message: string | null): void {
    const troubled = message !== null
    if (troubled !== this.#troubled) this.events.trouble(message)
    this.#troubled = troubled
  }
}

/** A stream knows no deadline of its own. */
async function withDeadline<T>(call: Promise<T>): Promise<T> {
  const stop = new AbortController()
  const late = sleep(CALL_DEADLINE_MS, undefined, {signal: stop.signal}).then(() => {
    throw new OverlayError('DEADLINE_EXCEEDED', 'etcd does not answer')
  })
  late.catch(() => {})
  try {
    return await Promise.race([call, late])
  } finally {
    stop.abort()
  }
}

function clientOptions({endpoints, caFile, certFile, keyFile}: EtcdSettings): IOptions {
  const plain: IOptions = {
    hosts: [...endpoints],
    dialTimeout: CALL_DEADLINE_MS,
    defaultCallOptions: ({isStream}) => (isStream ? {} : {deadline: Date.now() + CALL_DEADLINE_MS}),
  }
  if (caFile === undefined) return plain
  return {
    ...plain,
    credentials: {
      rootCertificate: readPem(caFile),
      ...(certFile !== undefined && keyFile !== undefined
        ? {certChain: readPem(certFile), privateKey: readPem(keyFile)}
        : {}),
    },
  }
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new OverlayError('CONFIG_INVALID', `the file ${path} for etcd cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  }
}
