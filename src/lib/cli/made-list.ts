/** What an array offers to those who only read it. */
export interface List<Item> extends Iterable<Item> {
  readonly length: number
  /** @param index from 0; undefined beyond the end */
  at(index: number): Item | undefined
  /** @param from 0 at least. @param to the end unless given */
  slice(from: number, to?: number): Item[]
}

/** A list whose items are made when somebody asks for them, so that a million of them need not stand in memory. */
export class MadeList<Item> implements List<Item> {
  /** @param make called with indices from 0 to `length` − 1, with the same one again and again */
  constructor(
    readonly length: number,
    private readonly make: (index: number) => Item,
  ) {}

  at(index: number): Item | undefined {
    return index >= 0 && index < this.length ? this.make(index) : undefined
  }

  slice(from: number, to = this.length): Item[] {
    const end = Math.min(to, this.length)
    return Array.from({length: Math.max(0, end - from)}, (_, index) => this.make(from + index))
  }

  *[Symbol.iterator](): Generator<Item> {
    for (let index = 0; index < this.length; index++) yield this.make(index)
  }

  /** For JSON.stringify; whoever writes piece by piece iterates. */
  toJSON(): Item[] {
    return [...this]
  }
}
