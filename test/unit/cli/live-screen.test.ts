import {expect} from 'chai'
import fc from 'fast-check'

import {frame, LiveScreen} from '../../../src/lib/cli/live-screen.js'

/**
 * What a terminal shows that had text in every cell before: enough of ECMA-48 for what is written here. With the wrap mode
 * off the cursor stays on the last column.
 */
function shownBy(text: string, columns: number, rows: number): string[] {
  const cells = Array.from({length: rows}, () => Array.from({length: columns}, () => '#'))
  let [row, column] = [0, 0]
  // eslint-disable-next-line no-control-regex
  for (const [token] of text.matchAll(/\u001B\[[\d;?]*[A-Za-z]|[\s\S]/gu)) {
    switch (token) {
      case '\u001B[H': {
        row = 0
        column = 0
        break
      }

      case '\u001B[K': {
        cells[row].fill(' ', column)
        break
      }

      case '\u001B[J': {
        cells[row].fill(' ', column)
        for (const line of cells.slice(row + 1)) line.fill(' ')
        break
      }

      case '\r': {
        column = 0
        break
      }

      case '\n': {
        row = Math.min(row + 1, rows - 1)
        break
      }

      default: {
        if (token.startsWith('\u001B')) break
        cells[row][column] = token
        column = Math.min(column + 1, columns - 1)
      }
    }
  }

  return cells.map((line) => line.join('').trimEnd())
}

class Terminal {
  written: string[] = []
  columns = 20
  rows = 4
  write(text: string): void {
    this.written.push(text)
  }
}

describe('a live screen', () => {
  it('replaces whatever was there, in any size', () => {
    const line = fc.stringMatching(/^[a-z ]{0,30}$/)
    fc.assert(
      fc.property(
        fc.array(line, {minLength: 1, maxLength: 12}),
        fc.integer({min: 1, max: 30}),
        fc.integer({min: 1, max: 12}),
        (lines, columns, rows) => {
          const shown = shownBy(frame(lines.join('\n'), columns, rows), columns, rows)
          const hidden = lines.length > rows ? lines.length - rows + 1 : 0
          const whole = hidden > 0 ? [...lines.slice(0, rows - 1), `… ${hidden} more lines`] : lines
          const expected = Array.from({length: rows}, (_, at) => (whole[at] ?? '').slice(0, columns).trimEnd())
          expect(shown).to.deep.equal(expected)
        },
      ),
    )
  })

  it('is written in one piece, and nothing of it is blank in between', () => {
    const text = frame('one\ntwo', 20, 4)
    expect(text).to.not.contain('\u001B[2J')
    expect(text.startsWith('\u001B[?2026h') && text.endsWith('\u001B[?2026l')).to.equal(true)
  })

  it('gives the terminal back, once', () => {
    const terminal = new Terminal()
    const screen = new LiveScreen(terminal)
    screen.leave()
    expect(terminal.written).to.deep.equal([])
    screen.draw('one')
    screen.draw('two')
    screen.leave()
    screen.leave()
    const [enter, first, second, leave, ...rest] = terminal.written
    expect(enter).to.contain('\u001B[?1049h')
    expect([first, second].map((text) => shownBy(text, 20, 4)[0])).to.deep.equal(['one', 'two'])
    expect(leave).to.equal('\u001B[?7h\u001B[?25h\u001B[?1049l')
    expect(rest).to.deep.equal([])
  })

  it('draws the same again in another size, and nothing before or after', () => {
    const terminal = new Terminal()
    const screen = new LiveScreen(terminal)
    screen.redraw()
    expect(terminal.written).to.deep.equal([])
    screen.draw('a long line')
    terminal.columns = 6
    screen.redraw()
    expect(shownBy(terminal.written.at(-1)!, 6, 4)[0]).to.equal('a long')
  })
})
