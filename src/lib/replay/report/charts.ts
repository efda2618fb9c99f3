import * as Plot from '@observablehq/plot'
import domino from 'domino'

import type {SavingsRow} from '../model/schema.js'
import {binsOf, greatest, type Bin} from './handshake-rtts.js'
import type {Span, SpanKind, Waterfall} from './waterfall.js'

/** Colours are custom properties of the page, so that one picture serves light and dark. */
const SPAN_COLOUR: Record<SpanKind, string> = {
  handshake: 'var(--handshake)',
  replication: 'var(--replication)',
  travel: 'var(--travel)',
  think: 'var(--think)',
}
const FONT = {fontSize: '12px', fontFamily: 'inherit', background: 'none'}

/** Width of a letter of the page's font at 12 px, on average. */
const LETTER_PX = 6.4

/** Bars of the distribution of round trips. */
const BINS = 24

/** One picture as SVG text. @param width px; text in it is 12 px high at that width */
function picture(width: number, options: Plot.PlotOptions): string {
  // Plot escapes texts as DOM does; domino is the DOM.
  const document = domino.createDocument('') as unknown as Plot.PlotOptions['document']
  return Plot.plot({document, width, style: FONT, ...options}).outerHTML
}

/** Whether there is room for more than a phone has, px. */
function isWide(width: number): boolean {
  return width > 500
}

/** How many connections have which handshake round trip. */
export function rttChart(rttMs: Iterable<number>, width: number): string {
  const highest = Math.max(greatest(rttMs), 0.001)
  const bins = binsOf(rttMs, highest, BINS).filter(({count}: Bin) => count > 0)
  return picture(width, {
    height: 220,
    marginLeft: 44,
    marginBottom: 40,
    x: {
      label: 'handshake round trip, ms',
      labelAnchor: 'center',
      labelArrow: 'none',
      domain: [0, highest],
      ticks: isWide(width) ? 10 : 5,
    },
    y: {label: 'connections', grid: true, ticks: 5, tickFormat: wholeOnly},
    marks: [
      Plot.rectY(bins, {
        x1: 'from',
        x2: 'to',
        y: 'count',
        fill: 'var(--zero-rtt)',
        inset: 0.5,
      }),
      Plot.ruleY([0]),
    ],
  })
}

function wholeOnly(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : ''
}

function pathColour({path}: {path: string}): string {
  return path === 'split' ? 'var(--split)' : 'var(--zero-rtt)'
}

/** Mean handshake saving against replication-ack latency, zero-RTT and split, with the latency at which nothing is saved. */
export function savingsChart(savings: readonly SavingsRow[], breakEvenMs: number | null, width: number): string {
  const points = savings.flatMap(({replicationAckMs: ack, handshakeSavedMs, split}) => [
    ...(handshakeSavedMs ? [{ack, path: 'zero-RTT', saved: handshakeSavedMs.mean}] : []),
    ...(split.handshakeSavedMs ? [{ack, path: 'split', saved: split.handshakeSavedMs.mean}] : []),
  ])
  const onTheLeft = breakEvenMs !== null && breakEvenMs * 2 < (savings.at(-1)?.replicationAckMs ?? 0)
  return picture(width, {
    height: 260,
    marginLeft: 48,
    marginRight: 62,
    marginBottom: 40,
    x: {label: 'replication-ack latency, ms', labelAnchor: 'center', labelArrow: 'none', ticks: isWide(width) ? 8 : 5},
    y: {label: 'mean handshake time saved, ms', grid: true, ticks: 6},
    marks: [
      Plot.ruleY([0], {stroke: 'currentColor', strokeOpacity: 0.6}),
      Plot.line(points, {x: 'ack', y: 'saved', z: 'path', stroke: pathColour, strokeWidth: 2}),
      Plot.dot(points, {x: 'ack', y: 'saved', fill: pathColour, r: 3}),
      Plot.text(
        points,
        Plot.selectLast({x: 'ack', y: 'saved', z: 'path', text: 'path', fill: pathColour, textAnchor: 'start', dx: 8}),
      ),
      ...(breakEvenMs === null
        ? []
        : [
            Plot.ruleX([breakEvenMs], {stroke: 'currentColor', strokeDasharray: '4,3'}),
            // On a phone there is no room for it; it stands in the text below.
            ...(isWide(width)
              ? [
                  Plot.text([breakEvenMs], {
                    x: (value: number) => value,
                    frameAnchor: 'bottom',
                    dx: onTheLeft ? 6 : -6,
                    dy: -8,
                    textAnchor: onTheLeft ? 'start' : 'end',
                    text: (value: number) => `break-even ${value} ms`,
                    fill: 'currentColor',
                    stroke: 'var(--panel)',
                    strokeWidth: 4,
                  }),
                ]
              : []),
          ]),
    ],
  })
}

/**
 * One path's steps to the first byte as bars on a time axis.
 *
 * @param endMs of the axis: the same for all paths that are compared
 */
export function waterfallChart({spans}: Waterfall, endMs: number, width: number): string {
  const rows = spans.map((span, index) => ({...span, row: index}))
  const side = 12
  const across = (ms: number): number => side + (ms / endMs) * (width - 2 * side)
  /** A label stands right of its bar where it fits, or where there is more room than on the left. */
  const fits = ({fromMs, toMs, what}: Span): boolean => {
    const room = width - across(toMs)
    return what.length * LETTER_PX + 10 < room || room > across(fromMs)
  }

  return picture(width, {
    height: 34 + rows.length * 22,
    marginLeft: side,
    marginRight: side,
    marginTop: 28,
    marginBottom: 6,
    x: {label: null, domain: [0, endMs], axis: 'top', grid: true, ticks: isWide(width) ? 10 : 5},
    y: {axis: null, domain: rows.map(({row}) => row), padding: 0.3, type: 'band'},
    marks: [
      Plot.barX(rows, {x1: 'fromMs', x2: 'toMs', y: 'row', fill: ({kind}: Span) => SPAN_COLOUR[kind], rx: 2}),
      Plot.text(
        rows.filter((span) => fits(span)),
        {
          x: 'toMs',
          y: 'row',
          text: 'what',
          textAnchor: 'start',
          dx: 5,
          fill: 'currentColor',
        },
      ),
      Plot.text(
        rows.filter((span) => !fits(span)),
        {x: 'fromMs', y: 'row', text: 'what', textAnchor: 'end', dx: -5, fill: 'currentColor'},
      ),
    ],
  })
}
