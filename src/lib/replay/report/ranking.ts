import type {List} from '../../cli/made-list.js'
import type {ReplayConnection} from '../connection.js'
import {modelConnection, type ModelConnection} from '../model/model.js'
import {modelConnectionOf} from '../model/model-connections.js'
import type {ModelParameters} from '../model/parameters.js'
import {ScratchSpace} from '../spill/scratch-space.js'
import {SpilledColumn} from '../spill/spilled-column.js'

/** A connection with what it would have saved at the lowest replication-ack latency of the parameters. */
export interface RankedConnection {
  captured: ReplayConnection
  modelled: ModelConnection
  handshakeSavedMs: number
  firstByteSavedMs: number | null
}

interface Place {
  /** Of the connection, from 0. */
  index: number
  savedMs: number
}

/** Connections by handshake saving, the most first; of equal ones the earlier first. Not all of them lie in memory. */
export class Ranking {
  /** Those that are modelled. */
  #length = 0
  readonly #first: Place[] = []
  readonly #last: Place[] = []
  /** Index and saving of each; after them those that the server has answered. */
  readonly #all: PlaceColumn
  readonly #answered: PlaceColumn

  /** @param most that `ends` will be asked for */
  constructor(
    private readonly connections: List<ReplayConnection>,
    private readonly parameters: ModelParameters,
    private readonly most: number,
    scratch = new ScratchSpace(),
  ) {
    this.#all = new PlaceColumn(scratch)
    this.#answered = new PlaceColumn(scratch)
    let index = 0
    for (const captured of connections) {
      const ranked = rankedConnection(captured, parameters)
      if (ranked !== null) this.#add({index, savedMs: ranked.handshakeSavedMs}, ranked.firstByteSavedMs !== null)
      index++
    }
  }

  get length(): number {
    return this.#length
  }

  /** All where there are at most so many, else half of them from each end. @param most even */
  ends(most: number): RankedConnection[] {
    const places =
      this.#length <= most
        ? this.#first
        : [...this.#first.slice(0, most / 2), ...this.#last.slice(0, most / 2).reverse()]
    return places.map(({index}) => this.#at(index))
  }

  /** The one in the middle that has an answer of the server, else the one in the middle; null without any. */
  typical(): RankedConnection | null {
    const places = this.#answered.length > 0 ? this.#answered : this.#all
    return places.length === 0 ? null : this.#at(places.middle())
  }

  #add(place: Place, answered: boolean): void {
    this.#length++
    this.#all.add(place)
    if (answered) this.#answered.add(place)
    insert(this.#first, place, this.most, (other) => other.savedMs < place.savedMs)
    insert(this.#last, place, this.most, (other) => other.savedMs >= place.savedMs)
  }

  #at(index: number): RankedConnection {
    return rankedConnection(this.connections.at(index)!, this.parameters)!
  }
}

/** Places in the order of their connections. */
class PlaceColumn {
  readonly #indices: SpilledColumn
  readonly #savedMs: SpilledColumn

  constructor(scratch: ScratchSpace) {
    this.#indices = new SpilledColumn(scratch)
    this.#savedMs = new SpilledColumn(scratch)
  }

  get length(): number {
    return this.#indices.length
  }

  add({index, savedMs}: Place): void {
    this.#indices.push(index)
    this.#savedMs.push(savedMs)
  }

  /** The connection at half of the ranking. */
  middle(): number {
    const sorted = this.#savedMs.values().sort()
    const rank = Math.floor(this.length / 2)
    const saved = sorted[this.length - 1 - rank]
    let before = 0
    for (const other of this.#savedMs) if (other > saved) before++
    for (let nth = 0; nth < this.length; nth++) {
      if (this.#savedMs.at(nth) === saved && before++ === rank) return this.#indices.at(nth)
    }

    throw new Error('a value of the column is not in it')
  }
}

/** Puts a place before the first one that comes after it. @param most that are kept */
function insert(places: Place[], place: Place, most: number, isAfter: (other: Place) => boolean): void {
  if (places.length === most && !isAfter(places.at(-1)!)) return
  const at = places.findIndex((other) => isAfter(other))
  places.splice(at === -1 ? places.length : at, 0, place)
  if (places.length > most) places.pop()
}

/** @returns null when it is not modelled */
export function rankedConnection(captured: ReplayConnection, parameters: ModelParameters): RankedConnection | null {
  const lowest = {...parameters, replicationAckMs: parameters.replicationAckMs.slice(0, 1)}
  const modelled = modelConnectionOf(captured, lowest)
  if (typeof modelled === 'string') return null
  const {direct, rows} = modelConnection(modelled, lowest)
  const {handshakeMs, firstByteMs} = rows[0].zeroRtt
  return {
    captured,
    modelled,
    handshakeSavedMs: direct.handshakeMs - handshakeMs,
    firstByteSavedMs: direct.firstByteMs === null || firstByteMs === null ? null : direct.firstByteMs - firstByteMs,
  }
}
