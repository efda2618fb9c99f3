import {setTimeout as sleep} from 'node:timers/promises'

import {OverlayError} from '../errors/index.js'
import {HIGHEST_VERSION, LOWEST_VERSION} from '../replication/link-setup.js'
import {jumpClock} from './clock-jump.js'
import type {Step, TARGETS} from './scenario.js'
import type {Letter, PairStage, Region} from './stage.js'

/** For the owner of a pair to be found, ms. */
const OWNER_DEADLINE_MS = 10_000
const POLL_MS = 50

export type Target = (typeof TARGETS)[number]

/** A step as it went. */
export interface FaultReport {
  /** ms since the scenario began. */
  at: number
  kind: Step['do']
  /** A member, a link, or empty. */
  target: string
  /** It had an effect: a process was there to be killed, a hand-over was accepted. */
  fired: boolean
}

interface Member {
  region: Region
  letter: Letter
}

/** Carries steps out, and knows how to undo them. */
export class Faults {
  readonly #dead: Member[] = []
  readonly #paused: Member[] = []
  readonly #down: Member[] = []
  readonly #full: Member[] = []
  /** Nobody can pair with them. By host. */
  readonly #skewed = new Map<string, Member>()
  readonly #links = new Set<string>()

  constructor(private readonly stage: PairStage) {}

  /**
   * Finds out who is meant, which takes a while; the action that is returned takes none.
   *
   * @throws OverlayError NOT_FOUND when there is no such member
   */
  async prepare(step: Step): Promise<{target: string; act: () => Promise<boolean>}> {
    if ('link' in step) return {target: step.link, act: () => this.#changeLink(step)}
    if (step.do === 'awaitPaired') return {target: 'all', act: () => this.#awaitPaired()}
    if (step.do === 'etcdStop' || step.do === 'etcdResume') {
      return {target: 'etcd', act: () => Promise.resolve(this.#stopEtcd(step.do === 'etcdStop'))}
    }

    if (step.do === 'restart' || step.do === 'resume' || step.do === 'linkUp' || step.do === 'freeDisk') {
      return {target: step.target ?? 'all', act: () => this.#undo(step)}
    }

    const member = await this.#resolve(step.target)
    return {target: nameOf(member), act: () => this.#hit(step, member)}
  }

  /** Undoes everything that is still in effect. */
  async rollBack(): Promise<void> {
    for (const link of this.#links) {
      await this.stage.lab.setLink(link, {lossPercent: 0, duplicatePercent: 0, reorderPercent: 0})
    }

    this.#links.clear()
    this.#stopEtcd(false)
    for (const member of this.#full.splice(0)) this.stage.disk(member.region, member.letter).free()
    for (const member of this.#down.splice(0)) await this.#setInterfaces(member, 'up')
    for (const member of this.#paused.splice(0)) this.stage.signal(member.region, member.letter, 'SIGCONT')
    for (const member of this.#dead.splice(0)) await this.stage.start(member.region, member.letter)
    for (const {region, letter} of this.#skewed.values()) {
      if (this.stage.signal(region, letter, 'SIGKILL') > 0) await this.stage.start(region, letter)
    }

    this.#skewed.clear()
  }

  #stopEtcd(stop: boolean): boolean {
    const {etcd} = this.stage
    if (stop) etcd?.pause()
    else etcd?.resume()
    return etcd !== null
  }

  async #awaitPaired(): Promise<boolean> {
    try {
      for (const region of this.stage.options.pairs) await this.stage.paired(region)
      return true
    } catch {
      return false
    }
  }

  async #hit(step: Step & {target: Target}, member: Member): Promise<boolean> {
    const {region, letter} = member
    switch (step.do) {
      case 'kill': {
        const relayOnly = step.process ?? false
        const reached = this.stage.signal(region, letter, 'SIGKILL', relayOnly)
        if (reached > 0 && !relayOnly) this.#dead.push(member)
        return reached > 0
      }

      case 'pause': {
        this.#paused.push(member)
        return this.stage.signal(region, letter, 'SIGSTOP') > 0
      }

      case 'linkDown': {
        this.#down.push(member)
        await this.#setInterfaces(member, 'down')
        return true
      }

      case 'clockShift': {
        return jumpClock(this.stage.lab.host(nameOf(member)).runDir, region, nameOf(member), step.seconds)
      }

      case 'fillDisk': {
        this.#full.push(member)
        this.stage.disk(region, letter).fill()
        return true
      }

      case 'versionSkew': {
        const reached = this.stage.signal(region, letter, 'SIGKILL')
        await this.stage.start(region, letter, [step.lowest, step.highest])
        this.#skewed.delete(nameOf(member))
        if (step.lowest > HIGHEST_VERSION || step.highest < LOWEST_VERSION) this.#skewed.set(nameOf(member), member)
        return reached > 0
      }

      case 'takeover': {
        try {
          await this.stage.takeover(region, letter)
          return true
        } catch {
          return false
        }
      }

      default: {
        return false
      }
    }
  }

  async #undo(step: Step): Promise<boolean> {
    const lists = {restart: this.#dead, resume: this.#paused, linkUp: this.#down, freeDisk: this.#full} as const
    const list = lists[step.do as keyof typeof lists]
    const members = list.splice(0)
    for (const member of members) {
      switch (step.do) {
        case 'restart': {
          await this.stage.start(member.region, member.letter)
          break
        }

        case 'resume': {
          this.stage.signal(member.region, member.letter, 'SIGCONT')
          break
        }

        case 'freeDisk': {
          this.stage.disk(member.region, member.letter).free()
          break
        }

        default:
          await this.#setInterfaces(member, 'up')
      }
    }

    return members.length > 0
  }

  async #changeLink(step: Step & {link: string}): Promise<boolean> {
    const towards = 'towards' in step && step.towards !== undefined ? {towards: step.towards} : {}
    const change = linkChange(step)
    this.#links.add(step.link)
    await this.stage.lab.setLink(step.link, {...change, ...towards})
    return true
  }

  async #setInterfaces({region, letter}: Member, state: 'down' | 'up'): Promise<void> {
    const host = `${region}-${letter}`
    for (const {name} of Object.values(this.stage.lab.host(host).interfaces)) {
      // IPv6 addresses would be gone otherwise, as nothing here would configure them again.
      await this.#run(host, ['sysctl', '-qw', `net.ipv6.conf.${name}.keep_addr_on_down=1`])
      await this.#run(host, ['ip', 'link', 'set', 'dev', name, state])
    }
  }

  async #run(host: string, words: string[]): Promise<void> {
    const {code, stderr} = await this.stage.lab.exec(host, words)
    if (code !== 0)
      throw new OverlayError('SYSTEM_CALL_FAILED', `${words.join(' ')} in ${host}`, {cause: stderr.trim()})
  }

  /** After a fault it may take a while until somebody is. */
  async #owner(region: Region): Promise<Letter> {
    const deadline = performance.now() + OWNER_DEADLINE_MS
    for (;;) {
      try {
        return await this.stage.owner(region)
      } catch (error) {
        if (performance.now() > deadline) throw error
        await sleep(POLL_MS)
      }
    }
  }

  async #resolve(target: Target): Promise<Member> {
    const [region, what] = target.split(/[.-]/) as [Region, Letter | 'backup' | 'primary']
    if (!this.stage.options.pairs.includes(region)) {
      throw new OverlayError('NOT_FOUND', `${target}: the ${region} is no pair in this scenario`, {
        suggestions: [`topology: {pairs: [${region}]}`],
      })
    }

    if (what === 'a' || what === 'b') return {region, letter: what}
    const owner = await this.#owner(region)
    return {region, letter: what === 'primary' ? owner : owner === 'a' ? 'b' : 'a'}
  }
}

function linkChange(step: Step & {link: string}): object {
  switch (step.do) {
    case 'partition': {
      return {lossPercent: 100}
    }

    case 'heal': {
      return {lossPercent: 0, duplicatePercent: 0, reorderPercent: 0}
    }

    case 'loss': {
      return {lossPercent: step.percent}
    }

    case 'delay': {
      return {delayMs: step.ms}
    }

    case 'reorder': {
      return {reorderPercent: step.percent}
    }

    case 'duplicate': {
      return {duplicatePercent: step.percent}
    }

    default: {
      return {}
    }
  }
}

const nameOf = ({region, letter}: Member): string => `${region}-${letter}`
