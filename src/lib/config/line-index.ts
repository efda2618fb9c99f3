import {isAlias, isMap, isNode, isScalar, isSeq, type Document, type LineCounter, type Node} from 'yaml'

type Part = number | string

/** Where the keys of a document stand. Built once, so that many problems cost no more than one. */
export class LineIndex {
  /** Keys that stand in their section already. The parser's own search for them takes the square of their number. */
  readonly repeated: {path: Part[]; line: number}[] = []
  private readonly lines = new Map<string, number>()
  /** Keys in the order of the text. */
  private readonly offsets: {offset: number; path: Part[]}[] = []
  private readonly root: number

  constructor(
    document: Document,
    private readonly counter: LineCounter,
  ) {
    const {contents} = document
    this.root = isNode(contents) && contents.range ? this.lineAt(contents.range[0]) : 1
    this.add(contents, [])
  }

  /** The line of a key, counted from 1; of its nearest ancestor when the key itself is not there. */
  lineOf(path: readonly Part[]): number {
    for (let {length} = path; length > 0; length--) {
      const line = this.lines.get(identity(path.slice(0, length)))
      if (line !== undefined) return line
    }

    return this.root
  }

  /** The last key that stands at or before a place in the text; empty when there is none. */
  keyAt(offset: number): Part[] {
    let found: Part[] = []
    for (const entry of this.offsets) {
      if (entry.offset > offset) break
      found = entry.path
    }

    return found
  }

  /** Counted from 1. */
  lineAt(offset: number): number {
    return Math.max(1, this.counter.linePos(offset).line)
  }

  /** The line of the first alias, from which an expansion that goes too far begins. */
  firstAlias(): {path: Part[]; line: number} {
    return this.alias ?? {path: [], line: this.root}
  }

  private alias: {path: Part[]; line: number} | null = null

  private add(node: unknown, path: Part[]): void {
    if (isAlias(node)) this.alias ??= {path, line: this.startOf(node)}
    else if (isMap(node)) {
      const names = new Set<string>()
      for (const {key, value} of node.items) {
        const name = isScalar(key) ? String(key.value) : String(key)
        const inner = [...path, name]
        if (names.has(name)) this.repeated.push({path: inner, line: isNode(key) ? this.startOf(key) : this.root})
        names.add(name)
        if (isNode(key)) this.note(key, inner)
        this.add(value, inner)
      }
    } else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) {
        const inner = [...path, index]
        if (isNode(item)) this.note(item, inner)
        this.add(item, inner)
      }
    }
  }

  private note(node: Node, path: Part[]): void {
    this.lines.set(identity(path), this.startOf(node))
    if (node.range) this.offsets.push({offset: node.range[0], path})
  }

  private startOf(node: Node): number {
    return node.range ? this.lineAt(node.range[0]) : this.root
  }
}

function identity(path: readonly Part[]): string {
  return JSON.stringify(path)
}
