import {mapSharedFile} from '../kernel/shared-memory.js'

const LENGTH = 4096

/**
 * The epoch, where it survives the process: a file that is mapped once. A write cannot fail later, also when the file
 * system is full, and waits for no disk. It does not survive the machine; nor does any connection.
 */
export class EpochFile {
  readonly #word: Uint32Array

  /** @throws OverlayError SYSTEM_CALL_FAILED, PRIVILEGE_MISSING */
  constructor(path: string) {
    this.#word = new Uint32Array(mapSharedFile(path, LENGTH), 0, 1)
  }

  /** 0 when none was kept. */
  get epoch(): number {
    return this.#word[0]
  }

  set epoch(epoch: number) {
    this.#word[0] = epoch
  }
}
