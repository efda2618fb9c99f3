const ENTITIES: Record<string, string> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'}

/** Text as HTML, in elements and in quoted attributes. Control characters, which HTML has no place for, become U+FFFD. */
export function escapeHtml(text: string): string {
  return (
    text
      .replaceAll(/[&<>"']/g, (character) => ENTITIES[character])
      // eslint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g, '\uFFFD')
  )
}

export const attribute = escapeHtml

/** A table that scrolls by itself where it is wider than its place. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return `<div class="scroll"><table>
<thead><tr>${cells('th', titles)}</tr></thead>
<tbody>${rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')}</tbody>
</table></div>`
}

function cells(tag: 'td' | 'th', row: readonly string[]): string {
  return row.map((cell) => `<${tag}${style(cell)}>${escapeHtml(cell)}</${tag}>`).join('')
}

/** Figures stand in columns; addresses are long words that may break. */
function style(cell: string): string {
  if (isFigure(cell)) return ' class="figure"'
  return /^[\d.]+:\d+$|^\[.*]:\d+$/.test(cell) ? ' class="name"' : ''
}

function isFigure(cell: string): boolean {
  return /^[-−\d][\d.,() −-]*$/.test(cell)
}
