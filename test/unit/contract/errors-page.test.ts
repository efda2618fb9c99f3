import {expect} from 'chai'
import {readFileSync} from 'node:fs'

import {ERROR_CODES, ExitCode} from '../../../src/lib/errors/index.js'

/** Rows of the page's tables whose first cell is code: [first cell, second cell, third cell or '']. */
function tableRows(): string[][] {
  const page = readFileSync(new URL('../../../docs/ERRORS.md', import.meta.url), 'utf8')
  return page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
}

describe('docs/ERRORS.md', () => {
  it('lists exactly the error codes, with their exit codes and meanings', () => {
    const listed = tableRows().filter(([first]) => /^[A-Z_]+$/.test(first))
    const expected = Object.entries(ERROR_CODES).map(([code, {exit, meaning}]) => [code, String(exit), meaning])
    expect(listed).to.deep.equal(expected)
  })

  it('lists exactly the exit codes', () => {
    const listed = tableRows().filter(([first]) => /^\d+$/.test(first))
    expect(listed.map(([code]) => Number(code))).to.deep.equal(Object.values(ExitCode))
  })
})
