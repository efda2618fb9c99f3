import {randomBytes} from 'node:crypto'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import type {Lab} from '../../../src/lib/lab/lab.js'

/** The built command line, as users run it. */
export const OVERLAY = [process.execPath, fileURLToPath(new URL('../../../bin/run.js', import.meta.url))]
const PEER = fileURLToPath(new URL('peer.mjs', import.meta.url))

/** A directory for one test file's key files and captures. */
export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'overlay-test-'))

  /** A key file with these ids, each with a secret of its own unless `secret` is given. */
  keyFile(name: string, lines: readonly {id: number; secret: string}[]): string {
    const path = join(this.path, name)
    writeFileSync(path, lines.map(({id, secret}) => `${id} ${secret}\n`).join(''), {mode: 0o600})
    return path
  }

  remove(): void {
    rmSync(this.path, {recursive: true, force: true})
  }
}

export function newSecret(): string {
  return randomBytes(32).toString('hex')
}

/** Runs `overlay …` in a host to its end and parses its JSON; fails the test when it fails. */
export async function overlay<T>(lab: Lab, host: string, ...words: string[]): Promise<T> {
  const {code, stdout, stderr} = await lab.exec(host, [...OVERLAY, ...words, '--json'])
  if (code !== 0) throw new Error(`overlay ${words.join(' ')} exited ${code}: ${stdout}${stderr}`)
  return JSON.parse(stdout) as T
}

/** An echo server in a host, listening when this returns. */
export async function serve(lab: Lab, host: string, port: number, ...mode: string[]): Promise<HostProcess> {
  const server = lab.spawn(host, [process.execPath, PEER, 'serve', String(port), ...mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    server.child.stdout!.once('data', () => resolve())
    server.exited.then(() => reject(new Error('the server ended')), reject)
  })
  return server
}

export interface PeerOptions {
  address: string
  port: number
  count?: number
  parallel?: number
  bytes?: number
  banner?: boolean
  timeoutMs?: number
  localPort?: number
  gapMs?: number
}

export interface PeerResult {
  ok: number
  errors: Record<string, number>
  connectMs: number[]
  firstByteMs: number[]
}

/** Connections from a host to an echo server, each one's bytes checked. */
export async function connect(lab: Lab, host: string, options: PeerOptions): Promise<PeerResult> {
  const {code, stdout, stderr} = await lab.exec(host, [process.execPath, PEER, 'connect', JSON.stringify(options)], {
    timeoutMs: 700_000,
  })
  if (code !== 0) throw new Error(`client exited ${code}: ${stderr}`)
  return JSON.parse(stdout) as PeerResult
}
