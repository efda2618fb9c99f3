/** Numbers that are added one after the other, in 8 bytes each. */
export class Column {
  #values = new Float64Array(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2)
      larger.set(this.#values)
      this.#values = larger
    }

    this.#values[this.#length++] = value
  }

  /** @param index below the length */
  at(index: number): number {
    return this.#values[index]
  }

  /** All of them, in the memory of the column. */
  values(): Float64Array {
    return this.#values.subarray(0, this.#length)
  }
}
