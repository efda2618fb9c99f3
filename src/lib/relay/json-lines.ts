/** Cuts a stream into JSON values, one a line. Pure. */
export class JsonLines {
  private rest = ''

  /** @param limit characters of one line, at most */
  constructor(private readonly limit = 16 * 1024 * 1024) {}

  /**
   * @returns the values of the lines that are complete now
   * @throws SyntaxError on a line that is not JSON, RangeError on one that is too long
   */
  push(text: string): unknown[] {
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop() ?? ''
    if (this.rest.length > this.limit) throw new RangeError(`a line of more than ${this.limit} characters`)
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown)
  }
}
