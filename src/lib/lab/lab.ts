import {randomBytes} from 'node:crypto'
import {mkdirSync} from 'node:fs'
import {join, resolve} from 'node:path'

import {nearest} from '../cli/nearest.js'
import {startCapture, type LiveCapture} from '../capture/live-capture.js'
import {OverlayError} from '../errors/index.js'
import {
  execInHost,
  inHost,
  runInForeground,
  spawnInHost,
  type ExecOptions,
  type ExecResult,
  type HostProcess,
  type SpawnOptions,
} from './host-process.js'
import {chooseEngine, engineOf, type LinkCounters} from './link-engine.js'
import {directionChange, type LinkChange} from './link-parameters.js'
import {mountLab} from './mounts.js'
import {createNamespaces, furnish} from './namespaces.js'
import {planLab, sideNames, type LabPlan} from './plan.js'
import {bootId, identify} from './processes.js'
import {forgetOwned, ownLab} from './owned.js'
import {checkSpec, type LabSpec} from './spec.js'
import {
  isOrphan,
  claimName,
  labDirectory,
  labNames,
  readState,
  writeState,
  type HostState,
  type LabState,
  type EngineName,
} from './state.js'
import {removeLab, sweepLabs} from './sweep.js'

export interface UpOptions {
  /** The lab ends with this process, also when it is killed; otherwise it stays until it is taken down. */
  owned?: boolean
  /** Captures that run as long as the lab, at a link's near side unless `host` says otherwise. */
  captures?: {link: string; file: string; host?: string}[]
}

/** A host as its users see it. */
export type LabHost = Pick<HostState, 'name' | 'namespace' | 'runDir' | 'interfaces'>

/** Counters of one link, by the side that the packets go towards. */
export interface LinkStats {
  engine: EngineName
  towards: Record<string, LinkCounters>
}

/**
 * A whole overlay on one machine: hosts in network namespaces, links with delay, loss and rate between them. The root
 * namespace has no part in it.
 */
export class Lab {
  #state: LabState
  #removal: Promise<void> | null = null
  #cancelled = false

  private constructor(state: LabState) {
    this.#state = state
  }

  /**
   * Builds a lab, after removing labs whose owners are gone. What was built is removed again when a step fails.
   *
   * @throws OverlayError CONFIG_INVALID, ALREADY_EXISTS, PRIVILEGE_MISSING, PROGRAM_MISSING, KERNEL_FEATURE_MISSING
   */
  static async up(spec: LabSpec = {}, options: UpOptions = {}): Promise<Lab> {
    const checked = checkSpec(spec, 'lab')
    const id = randomBytes(3).toString('hex')
    const plan = planLab(checked, id)
    await sweepLabs()
    const name = checked.name ?? id
    claimName(name)
    const lab = new Lab({
      version: 1,
      name,
      id,
      bootId: bootId(),
      phase: 'building',
      owner: identify(process.pid),
      wire: plan.wire,
      hosts: plan.hosts.map((host) => ({...host, runDir: join(labDirectory(name), host.name)})),
      links: [],
      captures: [],
    })
    const building = lab.#build(plan, checked, options)
    ownLab(lab, building)
    try {
      await building
    } catch (error) {
      await lab.down()
      throw error
    }

    if (!options.owned) forgetOwned(lab)
    return lab
  }

  /**
   * A lab that is up.
   *
   * @param name may be left out when there is only one that stays; a running process's own labs must be named
   * @throws OverlayError NOT_FOUND
   */
  static open(name?: string): Lab {
    const states = labNames()
      .map((candidate) => readState(candidate))
      .filter((state) => state !== null && state.phase === 'up' && !isOrphan(state)) as LabState[]
    if (name === undefined) {
      const staying = states.filter((state) => state.owner === null)
      if (staying.length === 1) return new Lab(staying[0])
      throw new OverlayError('NOT_FOUND', staying.length === 0 ? 'no lab is up' : `${staying.length} labs are up`, {
        suggestions: staying.length === 0 ? ['overlay lab up'] : staying.map((state) => `--lab ${state.name}`),
      })
    }

    const state = states.find((candidate) => candidate.name === name)
    if (state) return new Lab(state)
    const near = nearest(
      name,
      states.map((candidate) => candidate.name),
    )
    throw new OverlayError('NOT_FOUND', `no lab named ${name} is up`, {
      suggestions: near ? [`did you mean ${near}?`] : ['overlay lab status'],
    })
  }

  get name(): string {
    return this.#state.name
  }

  get hosts(): LabHost[] {
    return this.#state.hosts
  }

  /** What lab.json holds. */
  get state(): Readonly<LabState> {
    return this.#state
  }

  /** @throws OverlayError NOT_FOUND */
  host(name: string): LabHost {
    return this.#host(name)
  }

  /** Runs a program in a host to its end; see {@link execInHost}. */
  exec(host: string, words: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return execInHost(this.#host(host), words, options)
  }

  /** Runs a program in a host on this terminal; see {@link runInForeground}. */
  runInForeground(host: string, words: readonly string[]): Promise<number> {
    return runInForeground(this.#host(host), words)
  }

  /** Starts a program in a host; see {@link spawnInHost}. It is ended with the lab at the latest. */
  spawn(host: string, words: readonly string[], options?: SpawnOptions): HostProcess {
    return spawnInHost(this.#host(host), words, options)
  }

  /**
   * Changes a link while packets are under way; what is not named stays. A shorter delay holds for packets that come
   * after it; they do not pass those already under way.
   *
   * @param change.towards the side that the change is for, e.g. `gateway`: only packets towards it. Default both
   * @throws OverlayError NOT_FOUND, CONFIG_INVALID for a value
   */
  async setLink(linkName: string, {towards, ...change}: LinkChange & {towards?: string}): Promise<void> {
    const link = this.#link(linkName)
    checkSpec({links: {[linkName]: change}}, 'lab')
    const sides = sideNames(link)
    if (towards !== undefined && !sides.includes(towards)) {
      throw new OverlayError('NOT_FOUND', `link ${linkName} has no side ${towards}`, {
        suggestions: [`its sides are ${sides.join(' and ')}`],
      })
    }

    const directions = directionChange(change)
    const far = towards === sides[0] ? {} : directions
    const near = towards === sides[1] ? {} : directions
    await engineOf(link).change(this.#state, link, far, near)
    link.towardsFar = {...link.towardsFar, ...far}
    link.towardsNear = {...link.towardsNear, ...near}
    writeState(this.#state)
  }

  /** What a link did to packets so far. */
  async linkStats(linkName: string): Promise<LinkStats> {
    const link = this.#link(linkName)
    const [far, near] = await engineOf(link).counters(this.#state, link)
    return {engine: link.engine, towards: {[link.far.name]: far, [link.near.name]: near}}
  }

  /**
   * Captures what a host sees of a link into a pcap file with nanosecond timestamps.
   *
   * @param options.filter pcap-filter(7)
   */
  async capture(
    host: string,
    linkName: string,
    file: string,
    options: {filter?: string; snapLength?: number} = {},
  ): Promise<LiveCapture> {
    return this.#capture(host, linkName, file, options)
  }

  /** Ends everything that runs in the lab and removes all of it. The second call does nothing. */
  down(): Promise<void> {
    this.#removal ??= removeLab(this.#state).finally(() => forgetOwned(this))
    return this.#removal
  }

  /** Ends a build at its next step: {@link Lab.up} then removes what there is and fails. */
  cancel(): void {
    this.#cancelled = true
  }

  async #build(plan: LabPlan, spec: LabSpec, {owned = false, captures = []}: UpOptions): Promise<void> {
    const steps: (() => Promise<void> | void)[] = [
      () => {
        for (const host of this.#state.hosts) mkdirSync(host.runDir)
        writeState(this.#state)
      },
      () => createNamespaces(plan),
      () =>
        mountLab(
          this.name,
          plan.hosts.map((host) => host.name),
        ),
      () => furnish(plan, spec.congestionControl, spec.linkEngine === 'bridge'),
      ...plan.links.map((link) => async () => {
        const engine = await chooseEngine(spec.linkEngine ?? 'auto', link, plan.wire)
        const process = await engine.start(this.#state, link, owned)
        this.#state.links.push({...link, engine: engine.name, process})
      }),
      ...captures.map(({link, file, host}) => async () => {
        const at = host ?? this.#link(link).near.hosts[0]
        const {pid} = await this.#capture(at, link, resolve(file), {stays: !owned})
        this.#state.captures.push({link, host: at, file: resolve(file), process: identify(pid)!})
      }),
      () => {
        this.#state.phase = 'up'
        if (!owned) this.#state.owner = null
        writeState(this.#state)
      },
    ]
    for (const step of steps) {
      if (this.#cancelled)
        throw new OverlayError('INTERNAL', `lab ${this.name} was taken down while it was being built`)
      await step()
    }
  }

  #capture(host: string, linkName: string, file: string, options: {filter?: string; stays?: boolean}) {
    const at = this.#host(host)
    const end = at.interfaces[this.#link(linkName).name]
    if (!end) {
      throw new OverlayError('NOT_FOUND', `host ${host} is not on link ${linkName}`, {
        suggestions: [`links of ${host}: ${Object.keys(at.interfaces).join(', ')}`],
      })
    }

    const [program, words] = inHost(at, [])
    return startCapture([program, ...words], end.name, file, options)
  }

  #host(name: string): HostState {
    return pick('host', name, this.#state.hosts)
  }

  #link(name: string) {
    return pick('link', name, this.#state.links)
  }
}

function pick<Item extends {name: string}>(what: string, name: string, items: Item[]): Item {
  const item = items.find((candidate) => candidate.name === name)
  if (item) return item
  const names = items.map((candidate) => candidate.name)
  const near = nearest(name, names)
  throw new OverlayError('NOT_FOUND', `the lab has no ${what} ${name}`, {
    suggestions: [near ? `did you mean ${near}?` : `${what}s: ${names.join(', ')}`],
  })
}
