import type {Flow} from './flow-schema.js'

/** What flows can be sorted by; the largest first. */
export const FLOW_SORTS = ['bytes', 'rtt', 'retransmissions', 'waiting', 'lag', 'idle', 'age'] as const
export type FlowSort = (typeof FLOW_SORTS)[number]

/** The number that a flow is sorted by; −1 when it is not known. Pure. */
export function flowKey(flow: Flow, sort: FlowSort): number {
  const [near, far] = flow.legs
  switch (sort) {
    case 'bytes': {
      return flow.bytes.fromClient + flow.bytes.toClient
    }

    case 'rtt': {
      return Math.max(near.rttMs ?? -1, far.rttMs ?? -1)
    }

    case 'retransmissions': {
      return near.retransmissions + far.retransmissions
    }

    case 'waiting': {
      return flow.waiting.toOrigin + flow.waiting.toClient
    }

    case 'lag': {
      return flow.replication?.lagBytes ?? -1
    }

    case 'idle': {
      return flow.idleMs
    }

    case 'age': {
      return flow.ageMs ?? -1
    }
  }
}

/** Largest first; of the same size in the order of their names, so that two looks show them alike. */
export function sortFlows(flows: readonly Flow[], sort: FlowSort): Flow[] {
  const keyed = flows.map((flow) => ({flow, key: flowKey(flow, sort), name: flow.id ?? flow.legs[0].remote ?? ''}))
  keyed.sort((a, b) => b.key - a.key || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return keyed.map(({flow}) => flow)
}

/** The largest of many, a bounded number of them: a heap whose root is the smallest that is kept. */
export class TopList<Item> {
  readonly #keys: number[] = []
  readonly #items: Item[] = []

  /** @param limit 1 at least */
  constructor(private readonly limit: number) {}

  get length(): number {
    return this.#keys.length
  }

  /** Of equal ones those that came first are kept. */
  offer(key: number, item: Item): void {
    const {length} = this
    if (length < this.limit) {
      this.#keys.push(key)
      this.#items.push(item)
      this.#rise(length, key, item)
    } else if (key > this.#keys[0]) {
      this.#sink(0, key, item)
    }
  }

  /** Takes the smallest out; undefined when none is left. */
  takeSmallest(): {key: number; item: Item} | undefined {
    if (this.length === 0) return undefined
    const smallest = {key: this.#keys[0], item: this.#items[0]}
    const key = this.#keys.pop()!
    const item = this.#items.pop()!
    if (this.length > 0) this.#sink(0, key, item)
    return smallest
  }

  #rise(from: number, key: number, item: Item): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#keys[parent] <= key) break
      this.#put(at, this.#keys[parent], this.#items[parent])
      at = parent
    }

    this.#put(at, key, item)
  }

  #sink(from: number, key: number, item: Item): void {
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.length) break
      if (child + 1 < this.length && this.#keys[child + 1] < this.#keys[child]) child++
      if (this.#keys[child] >= key) break
      this.#put(at, this.#keys[child], this.#items[child])
      at = child
    }

    this.#put(at, key, item)
  }

  #put(at: number, key: number, item: Item): void {
    this.#keys[at] = key
    this.#items[at] = item
  }
}
