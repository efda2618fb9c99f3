import {mapSharedFile} from '../kernel/shared-memory.js'

const LENGTH = 4096

/**
 * The epoch, where it survives the process: a file that is mapped once. A write cannot fail later, also when the file
 * system is full, and waits for no disk. It does not survive the machine; nor does any connection.
 */
export class EpochFile {
  readonly #words: Uint32Array

  /** @throws OverlayError SYSTEM_CALL_FAILED, PRIVILEGE_MISSING */
  constructor(path: string) {
    this.#words = new Uint32Array(mapSharedFile(path, LENGTH), 0, 2)
  }

  /** 0 when none was kept. */
  get epoch(): number {
    return this.#words[0]
  }

  set epoch(epoch: number) {
    this.#words[0] = epoch
  }

  /**
   * This server owned the addresses of that epoch and was alone: nobody else can have been granted the next one since, so
   * its next process may claim it without asking.
   */
  get alone(): boolean {
    return this.#words[1] === 1
  }

  set alone(alone: boolean) {
    this.#words[1] = alone ? 1 : 0
  }
}
