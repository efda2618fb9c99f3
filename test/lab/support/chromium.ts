import {spawn, type ChildProcess} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Readable, Writable} from 'node:stream'

/** Without anything that a browser does of its own accord. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-pipe',
]
const DEADLINE_MS = 30_000

type Message = {
  id?: number
  method?: string
  sessionId?: string
  params?: never
  result?: never
  error?: {message: string}
}

/** What a page did and looks like. */
export interface PageVisit {
  /** Console messages of level error, exceptions, and the browser's own complaints. */
  errors: string[]
  /** URLs that were asked for besides the page itself. */
  requests: string[]
}

/** Chromium in a network namespace with nothing in it, spoken to by the DevTools protocol over a pipe. */
export class Chromium {
  readonly #directory = mkdtempSync(join(tmpdir(), 'overlay-chromium-'))
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, {resolve(result: never): void; reject(error: Error): void}>()
  readonly #listeners: ((message: Message) => void)[] = []
  #next = 1

  constructor() {
    const words = ['--net', 'chromium', ...FLAGS, `--user-data-dir=${this.#directory}`, 'about:blank']
    this.#child = spawn('unshare', words, {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true})
    let text = ''
    ;(this.#child.stdio[4] as Readable).setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      for (let end = text.indexOf('\0'); end !== -1; end = text.indexOf('\0')) {
        this.#take(JSON.parse(text.slice(0, end)) as Message)
        text = text.slice(end + 1)
      }
    })
    ;(this.#child.stdio[3] as Writable).on('error', () => {}) // it has ended: commands run into their deadline
  }

  /** Opens a page. @param url of a file */
  async open(url: string, width: number, dark: boolean): Promise<Page> {
    const {targetId} = await this.send<{targetId: string}>('Target.createTarget', {url: 'about:blank'})
    const {sessionId} = await this.send<{sessionId: string}>('Target.attachToTarget', {targetId, flatten: true})
    const page = new Page(this, sessionId)
    await page.load(url, width, dark)
    return page
  }

  async send<Result>(method: string, params: object = {}, sessionId?: string): Promise<Result> {
    const id = this.#next++
    return new Promise<Result>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer in ${DEADLINE_MS} ms`)), DEADLINE_MS)
      this.#waiting.set(id, {
        resolve(result) {
          clearTimeout(timer)
          resolve(result)
        },
        reject(error) {
          clearTimeout(timer)
          reject(error)
        },
      })
      ;(this.#child.stdio[3] as Writable).write(JSON.stringify({id, method, params, sessionId}) + '\0')
    })
  }

  on(listener: (message: Message) => void): void {
    this.#listeners.push(listener)
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('close', resolve))
    process.kill(-this.#child.pid!, 'SIGKILL')
    await gone
    rmSync(this.#directory, {recursive: true, force: true, maxRetries: 10, retryDelay: 100})
  }

  #take(message: Message): void {
    if (message.id === undefined) {
      for (const listener of this.#listeners) listener(message)
      return
    }

    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.error) waiting?.reject(new Error(message.error.message))
    else waiting?.resolve(message.result as never)
  }
}

export class Page {
  readonly visit: PageVisit = {errors: [], requests: []}

  constructor(
    private readonly chromium: Chromium,
    private readonly session: string,
  ) {}

  async load(url: string, width: number, dark: boolean): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.chromium.on((message) => {
        if (message.sessionId !== this.session) return
        if (message.method === 'Page.loadEventFired') resolve()
        this.#note(message, url)
      })
    })
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await this.#send(`${domain}.enable`)
    const metrics = {width, height: 900, deviceScaleFactor: 1, mobile: width < 600}
    await this.#send('Emulation.setDeviceMetricsOverride', metrics)
    const features = [{name: 'prefers-color-scheme', value: dark ? 'dark' : 'light'}]
    await this.#send('Emulation.setEmulatedMedia', {features})
    await this.#send('Page.navigate', {url})
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${url} is not loaded after ${DEADLINE_MS} ms`)), DEADLINE_MS)
    })
    await Promise.race([loaded, late])
    clearTimeout(timer)
  }

  /** @param expression its value is JSON */
  async evaluate<Value>(expression: string): Promise<Value> {
    const {result} = await this.#send<{result: {value: Value}}>('Runtime.evaluate', {expression, returnByValue: true})
    return result.value
  }

  /** All of the page, as PNG. */
  async screenshot(): Promise<Buffer> {
    const {data} = await this.#send<{data: string}>('Page.captureScreenshot', {captureBeyondViewport: true})
    return Buffer.from(data, 'base64')
  }

  #note({method, params}: Message, url: string): void {
    const {entry, request, type, exceptionDetails} = (params ?? {}) as {
      entry?: {level: string; text: string}
      request?: {url: string}
      type?: string
      exceptionDetails?: {text: string}
    }
    if (method === 'Log.entryAdded' && entry?.level === 'error') this.visit.errors.push(entry.text)
    if (method === 'Runtime.consoleAPICalled' && type === 'error') this.visit.errors.push('console.error')
    if (method === 'Runtime.exceptionThrown') this.visit.errors.push(exceptionDetails?.text ?? 'exception')
    if (method === 'Network.requestWillBeSent' && request && request.url !== url && !request.url.startsWith('data:')) {
      this.visit.requests.push(request.url)
    }
  }

  #send<Result>(method: string, params: object = {}): Promise<Result> {
    return this.chromium.send<Result>(method, params, this.session)
  }
}
