import {StreamStore} from './stream-store.js'

/** Of each direction at most, bytes. */
const MOST_OF_DIRECTION = 1 << 20
/** Of all of them together. */
const MOST_OF_ALL = 256 << 20

/** What is kept of each direction of so many connections, bytes from its first on. */
export function keptOfDirection(connections: number): number {
  return Math.min(MOST_OF_DIRECTION, Math.floor(MOST_OF_ALL / (2 * Math.max(1, connections))))
}

type Streams = readonly [StreamStore, StreamStore]

/** Keeps the payloads of chosen connections while a capture is read: of each direction its first bytes. */
export class StreamKeeper {
  /** By connection, from 0, its directions from the lower and from the higher endpoint. */
  readonly #streams: ReadonlyMap<number, Streams>

  /** @param ids of connections, from 1 */
  constructor(ids: readonly number[]) {
    const bytes = keptOfDirection(ids.length)
    this.#streams = new Map(ids.map((id) => [id - 1, [new StreamStore(bytes), new StreamStore(bytes)]]))
  }

  /** Of one that was not chosen: undefined. */
  of(index: number): Streams | undefined {
    return this.#streams.get(index)
  }
}
