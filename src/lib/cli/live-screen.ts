/** What a terminal is told (ECMA-48, and xterm's private modes; https://invisible-island.net/xterm/ctlseqs). */
const ENTER = '\u001B[?1049h\u001B[?25l\u001B[?7l'
const LEAVE = '\u001B[?7h\u001B[?25h\u001B[?1049l'
/** Terminals that know it show what lies between at once; the others ignore it. */
const BEGIN_UPDATE = '\u001B[?2026h'
const END_UPDATE = '\u001B[?2026l'
const HOME = '\u001B[H'
const ERASE_TO_END_OF_LINE = '\u001B[K'
const ERASE_BELOW = '\u001B[J'

/** As much of a stream as a screen needs; process.stdout is one. */
export interface ScreenOutput {
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

/**
 * The text of one frame: every line is written over the one that stands there and what is left of that is erased, so that
 * nothing is ever blank in between. Lines beyond the last row are left out, and their number is said there.
 *
 * @param columns of the terminal, and its rows; 1 at least
 */
export function frame(text: string, columns: number, rows: number): string {
  const lines = text.split('\n')
  const hidden = lines.length - rows
  const shown = hidden > 0 ? [...lines.slice(0, rows - 1), `… ${hidden + 1} more lines`] : lines
  const cut = shown.map((line) => fitted([...line], columns))
  const rest = shown.length < rows ? `\r\n${ERASE_BELOW}` : ''
  return BEGIN_UPDATE + HOME + cut.join('\r\n') + rest + END_UPDATE
}

/** Behind a line as long as the screen is wide the cursor stands on its last character: that would be erased. */
function fitted(line: readonly string[], columns: number): string {
  return line.length < columns ? line.join('') + ERASE_TO_END_OF_LINE : line.slice(0, columns).join('')
}

/** A terminal's second screen, on which one text replaces the other; what stood on the first is there again afterwards. */
export class LiveScreen {
  #entered = false
  #text = ''

  constructor(private readonly output: ScreenOutput) {}

  draw(text: string): void {
    this.#text = text
    if (!this.#entered) this.output.write(ENTER)
    this.#entered = true
    this.redraw()
  }

  /** The same text again, e.g. since the terminal has another size now. */
  redraw(): void {
    if (!this.#entered) return
    const {columns = 80, rows = 24} = this.output
    this.output.write(frame(this.#text, Math.max(1, columns), Math.max(1, rows)))
  }

  /** The terminal is as it was. */
  leave(): void {
    if (!this.#entered) return
    this.#entered = false
    this.output.write(LEAVE)
  }
}
