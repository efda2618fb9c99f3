import {existsSync, readdirSync, rmSync, rmdirSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import path from 'node:path'

import {OverlayError} from '../errors/index.js'
import {instanceDirectory, makePrivateDirectory, runDirectory} from '../run-directory.js'

export type RelayRole = 'edge' | 'gateway'

/** sun_path of struct sockaddr_un, less its final zero. */
const UNIX_PATH_LIMIT = 107

/** The files of one running edge or gateway. */
export class InstanceDirectory {
  readonly path: string
  readonly adminSocket: string
  readonly stateFile: string
  readonly replayWindow: string
  readonly epoch: string

  /** @throws OverlayError USAGE when the name cannot be one of a directory, or the path is too long for a unix socket */
  constructor(
    readonly role: RelayRole,
    readonly name: string,
  ) {
    this.path = instanceDirectory(role, name)
    this.adminSocket = path.join(this.path, 'admin.sock')
    this.stateFile = path.join(this.path, 'state.json')
    this.replayWindow = path.join(this.path, 'replay-window')
    this.epoch = path.join(this.path, 'pair-epoch')
    if (Buffer.byteLength(this.adminSocket) > UNIX_PATH_LIMIT) {
      throw new OverlayError('USAGE', `the path of the admin socket is longer than ${UNIX_PATH_LIMIT} bytes`, {
        suggestions: ['set OVERLAY_RUN_DIR to a shorter path'],
      })
    }
  }

  /**
   * Makes the directory this process's own; what a killed predecessor left is removed, except the replay window.
   *
   * @throws OverlayError ALREADY_EXISTS when an instance of this name answers, PRIVILEGE_MISSING
   */
  async claim(): Promise<void> {
    try {
      makePrivateDirectory(this.path)
    } catch (error) {
      throw new OverlayError('PRIVILEGE_MISSING', `cannot make the run directory ${this.path}`, {
        cause: (error as NodeJS.ErrnoException).code,
        suggestions: ['run as root, or set OVERLAY_RUN_DIR to a directory of your own'],
      })
    }

    if (await answers(this.adminSocket)) {
      throw new OverlayError('ALREADY_EXISTS', `${this.role} "${this.name}" is already running`, {
        suggestions: [`overlay ${this.role} status --name ${this.name}`, 'give this one another --name'],
      })
    }

    rmSync(this.adminSocket, {force: true})
    rmSync(this.stateFile, {force: true})
  }

  writeState(state: object): void {
    writeFileSync(this.stateFile, JSON.stringify(state, null, 2) + '\n', {mode: 0o600})
  }

  /**
   * After an orderly end no file of the relays stays but a pair's epoch: edges unknown to the next run answer a challenge
   * again. What the handshake plane keeps here is its own.
   */
  remove(): void {
    for (const file of [this.adminSocket, this.stateFile, this.replayWindow]) rmSync(file, {force: true})
    for (const directory of [this.path, path.dirname(this.path)]) {
      try {
        rmdirSync(directory)
      } catch {
        // Something else is in there.
        return
      }
    }
  }
}

/** Names of the instances of a role that run here, or were killed. */
export function instanceNames(role: RelayRole): string[] {
  const parent = path.join(runDirectory(), role)
  try {
    return readdirSync(parent)
      .filter((name) => existsSync(path.join(parent, name, 'admin.sock')))
      .sort()
  } catch {
    return []
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
