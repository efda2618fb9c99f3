import {ScratchSpace} from '../spill/scratch-space.js'
import {SpilledColumn} from '../spill/spilled-column.js'
import type {ModelTurn} from './conversation.js'
import {firstByteAt} from './first-byte.js'
import type {ModelConnection} from './model.js'
import {openingOf, type ModelPath} from './opening.js'
import {legsFor, type ModelParameters} from './parameters.js'
import {ServerNames} from './server-names.js'

/** Times of all connections over one path, in their order; ms since connect(). NaN for a server that says nothing. */
export interface PathTimes {
  connectMs: SpilledColumn
  handshakeMs: SpilledColumn
  firstByteMs: SpilledColumn
}

/** What of many connections decides how they open: some 60 bytes for each, of which few lie in memory. */
export class ModelColumns {
  readonly rttMs: SpilledColumn
  /** Each server once, in the order of its first connection. */
  readonly serverNames: ServerNames
  /** Indices into these. */
  readonly servers: SpilledColumn
  readonly #mssBytes: SpilledColumn
  /** Turns up to the server's first: bytes, negative from the server, and think time. */
  readonly #turns: SpilledColumn
  /** By connection, where its turns end. */
  readonly #turnsEnd: SpilledColumn

  constructor(private readonly scratch: ScratchSpace) {
    this.rttMs = new SpilledColumn(scratch)
    this.serverNames = new ServerNames(scratch)
    this.servers = new SpilledColumn(scratch)
    this.#mssBytes = new SpilledColumn(scratch)
    this.#turns = new SpilledColumn(scratch)
    this.#turnsEnd = new SpilledColumn(scratch)
  }

  static of(connections: Iterable<ModelConnection>): ModelColumns {
    const columns = new ModelColumns(new ScratchSpace())
    for (const connection of connections) columns.add(connection)
    return columns
  }

  add({server, rttMs, mssBytes, turns}: ModelConnection): void {
    this.servers.push(this.serverNames.numberOf(server))
    this.rttMs.push(rttMs)
    this.#mssBytes.push(mssBytes)
    this.#addTurns(turns)
  }

  get length(): number {
    return this.rttMs.length
  }

  /** Room for the times of all of them over a path. */
  newTimes(): PathTimes {
    return {
      connectMs: new SpilledColumn(this.scratch),
      handshakeMs: new SpilledColumn(this.scratch),
      firstByteMs: new SpilledColumn(this.scratch),
    }
  }

  /**
   * @param replicationAckMs has no part in `direct`
   * @param times of `newTimes`, written anew
   */
  times(parameters: ModelParameters, path: ModelPath, replicationAckMs: number | null, times: PathTimes): void {
    for (const column of Object.values(times) as SpilledColumn[]) column.rewind()
    for (let index = 0; index < this.length; index++) {
      const rttMs = this.rttMs.at(index)
      const opening = openingOf(path, rttMs, legsFor(parameters, rttMs), parameters, replicationAckMs)
      times.connectMs.push(opening.connectMs)
      times.handshakeMs.push(opening.handshakeMs)
      times.firstByteMs.push(
        firstByteAt(opening, this.#turnsOf(index), parameters, this.#mssBytes.at(index)) ?? Number.NaN,
      )
    }
  }

  #addTurns(turns: readonly ModelTurn[]): void {
    const first = turns.findIndex(({from, bytes}) => from === 'server' && bytes > 0)
    for (const {from, bytes, thinkMs} of turns.slice(0, first + 1)) {
      if (bytes === 0) continue
      this.#turns.push(from === 'server' ? -bytes : bytes)
      this.#turns.push(thinkMs)
    }

    this.#turnsEnd.push(this.#turns.length)
  }

  #turnsOf(index: number): ModelTurn[] {
    const turns: ModelTurn[] = []
    for (let at = index === 0 ? 0 : this.#turnsEnd.at(index - 1); at < this.#turnsEnd.at(index); at += 2) {
      const bytes = this.#turns.at(at)
      turns.push({from: bytes < 0 ? 'server' : 'client', bytes: Math.abs(bytes), thinkMs: this.#turns.at(at + 1)})
    }

    return turns
  }
}
