import {execFile} from 'node:child_process'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'

import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import type {Lab} from '../../../src/lib/lab/lab.js'

const ANSWER_DEADLINE_MS = 15_000

export type Answer = Record<string, unknown> & {done: string}

/** A helper process in a host that takes a JSON object a line and answers with one, in order. */
export class Actor {
  #answers: Answer[] = []
  #waiting: ((answer: Answer) => void)[] = []

  private constructor(
    readonly host: string,
    readonly process: HostProcess,
  ) {
    createInterface({input: process.child.stdout!}).on('line', (line) => {
      const answer = JSON.parse(line) as Answer
      const waiting = this.#waiting.shift()
      if (waiting) waiting(answer)
      else this.#answers.push(answer)
    })
  }

  static async start(lab: Lab, host: string, script: string, ...words: string[]): Promise<Actor> {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const running = lab.spawn(host, [process.execPath, '--import', 'tsx', path, ...words], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const actor = new Actor(host, running)
    await actor.answer()
    return actor
  }

  /** Sends a command and waits for the answer to it. */
  async ask<T = Answer>(command: string, details: object = {}): Promise<T> {
    this.tell(command, details)
    return (await this.answer(command)) as T
  }

  tell(command: string, details: object = {}): void {
    this.process.child.stdin!.write(`${JSON.stringify({do: command, ...details})}\n`)
  }

  async answer(to = 'start'): Promise<Answer> {
    const answer =
      this.#answers.shift() ??
      (await new Promise<Answer>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`${this.host}: no answer to "${to}" in ${ANSWER_DEADLINE_MS} ms`)),
          ANSWER_DEADLINE_MS,
        )
        this.#waiting.push((got) => {
          clearTimeout(timer)
          resolve(got)
        })
      }))
    if (answer.done === 'error') throw new Error(`${this.host}: ${String(answer.message)}`)
    return answer
  }
}

/** Pulls or plugs the cable between a member of the edge pair and the segment that it shares with the client. */
export async function setCable(lab: Lab, host: string, state: 'down' | 'up'): Promise<void> {
  const port = host.endsWith('-a') ? 'br1f-0' : 'br1f-1'
  await promisify(execFile)('ip', ['-n', lab.state.wire, 'link', 'set', port, state])
}

export async function run(lab: Lab, host: string, words: string[]): Promise<string> {
  const {code, stdout, stderr} = await lab.exec(host, words)
  if (code !== 0) throw new Error(`${words.join(' ')} in ${host} exited ${code}: ${stderr}`)
  return stdout
}
