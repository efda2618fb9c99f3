import type {ChildProcess} from 'node:child_process'
import {existsSync, mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {OverlayError} from '../errors/index.js'
import type {Lab} from '../lab/lab.js'

const READY_DEADLINE_MS = 10_000
const POLL_MS = 20

/** etcd makes a socket of this name, host:port as it wants it, in its working directory. */
const SOCKET = 'client:1'

/** An etcd of one member that is reached through a unix socket: no address of any host's, and no packet. */
export class EtcdServer {
  private constructor(
    private readonly child: ChildProcess,
    /** As `coordination.etcd.endpoints` wants it. */
    readonly endpoint: string,
  ) {}

  /**
   * @param lab that it ends with; it needs none of its addresses
   * @param directory of its own
   * @throws OverlayError PROGRAM_MISSING, DEADLINE_EXCEEDED
   */
  static async start(lab: Lab, directory: string): Promise<EtcdServer> {
    mkdirSync(directory, {recursive: true})
    const peer = 'unix://peer:1'
    const {child} = lab.spawn(
      'origin',
      [
        ['etcd'],
        ['--data-dir', 'data'],
        ['--listen-client-urls', `unix://${SOCKET}`],
        ['--advertise-client-urls', `unix://${SOCKET}`],
        ['--listen-peer-urls', peer],
        ['--initial-advertise-peer-urls', peer],
        ['--initial-cluster', `default=${peer}`],
        ['--log-level', 'error'],
      ].flat(),
      {cwd: directory, stdio: 'ignore'},
    )
    let failure: NodeJS.ErrnoException | null = null
    child.once('error', (error) => {
      failure = error
    })
    const deadline = Date.now() + READY_DEADLINE_MS
    while (!existsSync(join(directory, SOCKET))) {
      await sleep(POLL_MS)
      if (failure !== null || child.exitCode !== null) {
        throw new OverlayError('PROGRAM_MISSING', 'etcd does not start', {
          cause: failure ?? `exit code ${child.exitCode}`,
          suggestions: ['apt-get install etcd-server'],
        })
      }

      if (Date.now() > deadline) {
        child.kill('SIGKILL')
        throw new OverlayError('DEADLINE_EXCEEDED', 'etcd is not ready')
      }
    }

    return new EtcdServer(child, `unix:${join(directory, SOCKET)}`)
  }

  /** It answers nobody until it goes on. */
  pause(): void {
    this.child.kill('SIGSTOP')
  }

  resume(): void {
    this.child.kill('SIGCONT')
  }
}
