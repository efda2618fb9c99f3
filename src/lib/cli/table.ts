import Table from 'cli-table3'

type Cell = number | string

/** A column of a {@link textTable}: numbers read best on the right. */
export interface Column {
  title: string
  align?: 'left' | 'right'
}

/** A plain table for terminals and logs: no frame, one line under the titles, no colour. */
export function textTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const none = Object.fromEntries(
    [
      'top',
      'top-mid',
      'top-left',
      'top-right',
      'bottom',
      'bottom-mid',
      'bottom-left',
      'bottom-right',
      'left',
      'right',
      'left-mid',
      'right-mid',
      'mid',
      'mid-mid',
    ].map((name) => [name, '']),
  )
  const table = new Table({
    chars: {...none, middle: '  '},
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0},
  })
  table.push(
    columns.map((column) => column.title),
    columns.map((column) => '-'.repeat(column.title.length)),
  )
  for (const row of rows) table.push([...row])
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
