import {textTable} from '../cli/table.js'
import type {LabDescription, LinkDescription} from './describe.js'
import {DEFAULT_DIRECTION, type DirectionParameters} from './link-parameters.js'

/** A lab as tables: its hosts and addresses, its links and what they do. */
export function renderLab(lab: LabDescription): string {
  const hosts = textTable(
    [{title: 'Host'}, {title: 'Link'}, {title: 'Interface'}, {title: 'IPv4'}, {title: 'IPv6'}],
    lab.hosts.flatMap((host) =>
      Object.entries(host.interfaces).map(([link, end], index) => [
        index === 0 ? host.name : '',
        link,
        end.name,
        end.ipv4,
        end.ipv6,
      ]),
    ),
  )
  const links = textTable(
    [{title: 'Link'}, {title: 'RTT ms', align: 'right'}, {title: 'Also'}, {title: 'Engine'}],
    lab.links.map((link) => [link.name, link.rttMs, describeExtras(link), link.engine]),
  )
  const captures = lab.captures.map(({link, host, file}) => `Capture of ${link} at ${host}: ${file}`)
  return [titleOf(lab), '', hosts, '', links, ...(captures.length > 0 ? ['', ...captures] : [])].join('\n')
}

/** The same with what the links have done so far. */
export function renderStatus(labs: readonly LabDescription[]): string {
  if (labs.length === 0) return 'No lab is up. Build one with: overlay lab up'
  return labs
    .map((lab) => {
      const rows = lab.links.flatMap((link) =>
        Object.entries(link.towards).flatMap(([side, {counters}]) =>
          counters
            ? [
                [
                  link.name,
                  side,
                  counters.forwarded,
                  counters.lost,
                  counters.droppedByQueue,
                  counters.droppedByRule,
                  counters.duplicated,
                  counters.reordered,
                ],
              ]
            : [],
        ),
      )
      const columns = ['Forwarded', 'Lost', 'Queue drops', 'Rule drops', 'Duplicated', 'Reordered'].map((title) => ({
        title,
        align: 'right' as const,
      }))
      const counters = rows.length > 0 ? ['', textTable([{title: 'Link'}, {title: 'Towards'}, ...columns], rows)] : []
      return [renderLab(lab), ...counters].join('\n')
    })
    .join('\n\n')
}

function titleOf(lab: LabDescription): string {
  if (lab.phase === 'orphan') return `Lab ${lab.name}: its owner is gone; the next "lab up" or "lab down" removes it`
  if (lab.phase === 'building') return `Lab ${lab.name} is being built by process ${lab.ownerPid}`
  const programs = lab.processes === 1 ? '1 program' : `${lab.processes} programs`
  const life = lab.ownerPid === null ? 'stays until lab down' : `ends with process ${lab.ownerPid}`
  return `Lab ${lab.name}: up, ${life}, ${programs} in its hosts`
}

const LABELS: [keyof DirectionParameters, (value: number) => string][] = [
  ['jitterMs', (value) => `jitter ${value} ms`],
  ['lossPercent', (value) => `loss ${value} %`],
  ['duplicatePercent', (value) => `duplicate ${value} %`],
  ['reorderPercent', (value) => `reorder ${value} %`],
  ['rateMbit', (value) => `${value} Mbit/s`],
]

/** What a direction does besides its delay, e.g. `loss 1 %, 100 Mbit/s`; one text where both directions agree. */
function describeExtras(link: LinkDescription): string {
  const texts = Object.entries(link.towards).map(([side, direction]) => [side, describeDirection(direction)] as const)
  if (texts[0][1] === texts[1][1]) return texts[0][1]
  return texts
    .filter(([, text]) => text !== '')
    .map(([side, text]) => `towards ${side}: ${text}`)
    .join('; ')
}

function describeDirection(direction: DirectionParameters): string {
  const numbers = LABELS.filter(([key]) => direction[key] !== DEFAULT_DIRECTION[key]).map(([key, text]) =>
    text(direction[key] as number),
  )
  const rules = (['drop', 'copy', 'hold'] as const).flatMap((action) =>
    direction[action].length > 0 ? [`${action} ${direction[action].join(',')}`] : [],
  )
  return [...numbers, ...rules].join(', ')
}

/** One line on what a link does now. */
export function renderLinkChange(link: LinkDescription): string {
  const extras = describeExtras(link)
  return `Link ${link.name}: RTT ${link.rttMs} ms${extras ? `, ${extras}` : ''}`
}
