import {Column} from '../column.js'
import type {ModelTurn} from './conversation.js'
import {firstByteAt} from './first-byte.js'
import type {ModelConnection} from './model.js'
import {openingOf, type ModelPath} from './opening.js'
import {legsFor, type ModelParameters} from './parameters.js'

/** Times of all connections over one path, in their order; ms since connect(). NaN for a server that says nothing. */
export interface PathTimes {
  connectMs: Float64Array
  handshakeMs: Float64Array
  firstByteMs: Float64Array
}

/** What of many connections decides how they open: some 60 bytes for each, however long they were. */
export class ModelColumns {
  readonly rttMs = new Column()
  /** Each server once, in the order of its first connection. */
  readonly serverNames: string[] = []
  /** Indices into these. */
  readonly servers = new Column()
  readonly #mssBytes = new Column()
  /** Turns up to the server's first: bytes, negative from the server, and think time. */
  readonly #turns = new Column()
  /** By connection, where its turns end. */
  readonly #turnsEnd = new Column()

  /** By name, its index. */
  readonly #numbers = new Map<string, number>()

  static of(connections: Iterable<ModelConnection>): ModelColumns {
    const columns = new ModelColumns()
    for (const connection of connections) columns.add(connection)
    return columns
  }

  add({server, rttMs, mssBytes, turns}: ModelConnection): void {
    let number = this.#numbers.get(server)
    if (number === undefined) {
      number = this.serverNames.push(server) - 1
      this.#numbers.set(server, number)
    }

    this.servers.push(number)
    this.rttMs.push(rttMs)
    this.#mssBytes.push(mssBytes)
    this.#addTurns(turns)
  }

  get length(): number {
    return this.rttMs.length
  }

  /** Room for the times of all of them over a path. */
  newTimes(): PathTimes {
    const {length} = this
    return {
      connectMs: new Float64Array(length),
      handshakeMs: new Float64Array(length),
      firstByteMs: new Float64Array(length),
    }
  }

  /**
   * @param replicationAckMs has no part in `direct`
   * @param times of `newTimes`, written anew
   */
  times(parameters: ModelParameters, path: ModelPath, replicationAckMs: number | null, times: PathTimes): void {
    for (let index = 0; index < this.length; index++) {
      const rttMs = this.rttMs.at(index)
      const opening = openingOf(path, rttMs, legsFor(parameters, rttMs), parameters, replicationAckMs)
      times.connectMs[index] = opening.connectMs
      times.handshakeMs[index] = opening.handshakeMs
      times.firstByteMs[index] =
        firstByteAt(opening, this.#turnsOf(index), parameters, this.#mssBytes.at(index)) ?? Number.NaN
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
