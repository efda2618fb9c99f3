import {spawn, type ChildProcess} from 'node:child_process'
import type {Duplex} from 'node:stream'
import {createInterface} from 'node:readline'

import {nodeCommand} from '../cli/node-entry.js'
import type {Question} from '../coordination/owner-record.js'
import {OverlayError} from '../errors/index.js'
import {datagramPair, sendDescriptors} from '../kernel/descriptor-passing.js'
import {errnoName, systemCallError} from '../kernel/errno.js'
import {sys} from '../kernel/libc.js'
import type {FromProcess, KeysJson, PairAction, ToProcess} from './control-protocol.js'
import type {FlowQuery, FlowsPart} from './flow-schema.js'
import {JsonLines} from './json-lines.js'
import type {ProcessConfig} from './process-config.js'
import type {EdgeProcessStatus, GatewayProcessStatus} from './process-status.js'
import type {LogLine} from './rate-limited-log.js'

/** How long a process may take to answer, ms. */
const ANSWER_DEADLINE_MS = 2000

/** The same when it is to look at all of its connections, in between its work. */
const SCAN_DEADLINE_MS = 5000

export interface RelayChildEvents {
  ready(): void
  log(line: LogLine): void
  coordinate(child: RelayChild, id: number, question: Question | null): void
  /** @param how in words: its exit code or signal */
  ended(child: RelayChild, how: string): void
}

/** One relay process as the supervisor sees it. */
export class RelayChild {
  readonly startedAt = Date.now()
  ready = false
  hasEnded = false
  aborted = 0
  readonly pid: number
  private readonly child: ChildProcess
  private readonly control: Duplex
  /** Our end of the socket by which it gets listening sockets later on. */
  private readonly handover: number
  private readonly lines = new JsonLines()
  private nextId = 1
  private readonly waiting = new Map<number, (message: FromProcess) => void>()

  /**
   * @param listeners listening sockets, in the order of the configuration; they stay open here too
   * @param pairListener the replication link's, or null
   */
  constructor(
    config: ProcessConfig,
    keys: KeysJson,
    listeners: readonly number[],
    pairListener: number | null,
    private readonly events: RelayChildEvents,
  ) {
    const handover = datagramPair()
    if (handover === null) throw systemCallError('socketpair')
    this.handover = handover[0]
    const [command, ...args] = nodeCommand(new URL('relay-process.js', import.meta.url))
    this.child = spawn(command, args, {
      // Its own session: Ctrl-C on the terminal reaches the supervisor alone, which drains.
      detached: true,
      stdio: [
        'ignore',
        'ignore',
        'pipe',
        'pipe',
        ...listeners,
        ...(pairListener === null ? [] : [pairListener]),
        handover[1],
      ],
      env: {...process.env, NODE_OPTIONS: undefined, NODE_V8_COVERAGE: undefined},
    })
    sys.close(handover[1])
    this.pid = this.child.pid ?? -1
    this.control = this.child.stdio[3] as Duplex
    this.control.setEncoding('utf8')
    this.control.on('data', (text: string) => {
      for (const message of this.lines.push(text)) this.receive(message as FromProcess)
    })
    this.control.on('error', () => {})
    if (this.child.stderr) {
      createInterface({input: this.child.stderr}).on('line', (line) => {
        this.events.log({level: 'error', kind: 'stderr', message: line, suppressed: 0})
      })
    }

    this.child.once('error', (error) => this.end(error.message))
    this.child.once('exit', (code, signal) => this.end(signal ?? `exit code ${code}`))
    this.send({type: 'start', config, keys, listeners: listeners.length, pairListener: pairListener !== null})
  }

  send(message: ToProcess): void {
    if (this.control.writable) this.control.write(JSON.stringify(message) + '\n')
  }

  /** @throws OverlayError DEADLINE_EXCEEDED when the process does not answer */
  async status(): Promise<EdgeProcessStatus | GatewayProcessStatus> {
    const answer = await this.ask((id) => ({type: 'status', id}))
    return (answer as FromProcess & {type: 'status'}).status
  }

  /**
   * The largest of its connections; the rest of the answer is had by {@link RelayChild.moreFlows}.
   *
   * @returns null when another question has ended this one
   * @throws OverlayError DEADLINE_EXCEEDED
   */
  async flows(query: FlowQuery): Promise<FlowsPart | null> {
    const answer = await this.ask((id) => ({type: 'flows', id, query}), SCAN_DEADLINE_MS)
    return (answer as FromProcess & {type: 'flows'}).part
  }

  async moreFlows(): Promise<FlowsPart | null> {
    const answer = await this.ask((id) => ({type: 'more-flows', id}))
    return (answer as FromProcess & {type: 'flows'}).part
  }

  async useKeys(keys: KeysJson): Promise<void> {
    await this.ask((id) => ({type: 'keys', id, keys}))
  }

  /**
   * Has it go on by another configuration.
   *
   * @param fresh listening sockets of services that it does not have yet, by the index of the service
   * @throws OverlayError DEADLINE_EXCEEDED, SYSTEM_CALL_FAILED when it could not take the sockets: it then goes on as before
   */
  async apply(config: ProcessConfig, fresh: ReadonlyMap<number, number>): Promise<void> {
    if (this.hasEnded) return
    const error = sendDescriptors(this.handover, [...fresh.values()])
    if (error !== 0) throw new OverlayError('SYSTEM_CALL_FAILED', `sendmsg: ${errnoName(error)}`)
    const answer = (await this.ask((id) => ({type: 'apply', id, config, fresh: [...fresh.keys()]}))) as FromProcess & {
      type: 'applied'
    }
    if (answer.error !== null) throw new OverlayError('SYSTEM_CALL_FAILED', answer.error)
  }

  /** @throws OverlayError NOT_PAIRED when the process cannot do it */
  async pair(action: PairAction): Promise<void> {
    const answer = (await this.ask((id) => ({type: 'pair', id, action}))) as FromProcess & {type: 'pair'}
    if (answer.error !== null) throw new OverlayError('NOT_PAIRED', answer.error)
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  private ask(make: (id: number) => ToProcess, deadlineMs = ANSWER_DEADLINE_MS): Promise<FromProcess> {
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id)
        reject(new OverlayError('DEADLINE_EXCEEDED', `relay process ${this.pid} did not answer`))
      }, deadlineMs)
      this.waiting.set(id, (message) => {
        clearTimeout(timer)
        resolve(message)
      })
      this.send(make(id))
    })
  }

  private receive(message: FromProcess): void {
    switch (message.type) {
      case 'ready': {
        this.ready = true
        this.events.ready()
        break
      }

      case 'log': {
        this.events.log(message.line)
        break
      }

      case 'coordinate': {
        this.events.coordinate(this, message.id, message.question)
        break
      }

      case 'drained': {
        this.aborted = message.aborted
        break
      }

      default: {
        this.waiting.get(message.id)?.(message)
        this.waiting.delete(message.id)
      }
    }
  }

  private end(how: string): void {
    if (this.hasEnded) return
    this.hasEnded = true
    sys.close(this.handover)
    this.events.ended(this, how)
  }
}
