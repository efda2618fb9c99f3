/** The page's style: one column on phones, two where there is room, colours for light and dark. */
export const PAGE_STYLE = `
:root { --ground: #fff; --text: #1d2430; --muted: #5b6575; --line: #d9dee6; --panel: #f6f8fa;
  --zero-rtt: #1f6feb; --split: #b35900; --handshake: #b35900; --replication: #8a3ffc; --travel: #1f6feb; --think: #8b949e;
  --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151d; --text: #e3e8ef; --muted: #9aa6b5; --line: #303a48; --panel: #171e28;
    --zero-rtt: #6cb0ff; --split: #ffa657; --handshake: #ffa657; --replication: #c9a0ff; --travel: #6cb0ff; --think: #7d8896;
    --bad: #ff8a80; }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 16px; column-gap: 16px; }
header { margin-bottom: 16px; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 15px;
  margin: 0 0 16px; break-inside: avoid; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 1.1rem; margin: 0 0 8px; }
h3 { font-size: 0.95rem; margin: 12px 0 0; }
p { margin: 8px 0; overflow-wrap: anywhere; }
.names, td { overflow-wrap: anywhere; }
td.name { min-width: 12em; }
td:first-child:not(.figure, .name) { min-width: 7em; }
.note { color: var(--muted); font-size: 0.85rem; }
.verdict { font-weight: 600; }
.problem { color: var(--bad); overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 12px 0; }
.facts dt { color: var(--muted); font-size: 0.85rem; }
.facts dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
figure { margin: 0; }
figure svg { max-width: 100%; height: auto; overflow: visible; }
.broad { display: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.85rem; }
th, td { text-align: left; vertical-align: top; padding: 4px 8px 4px 0; border-bottom: 1px solid var(--line); min-width: 3.2em; }
th { color: var(--muted); font-weight: 600; }
td.figure { font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 0.85rem; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 5px; vertical-align: -1px; }
.legend .handshake { background: var(--handshake); } .legend .replication { background: var(--replication); }
.legend .travel { background: var(--travel); } .legend .think { background: var(--think); }
@media (min-width: 720px) { .narrow { display: none; } .broad { display: block; } }
@media (min-width: 1300px) { main { columns: 2; } header { column-span: all; } }
`
