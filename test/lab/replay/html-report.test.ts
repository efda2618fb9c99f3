import {expect} from 'chai'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'

import {DEFAULT_PARAMETERS} from '../../../src/lib/replay/model/parameters.js'
import {htmlReport} from '../../../src/lib/replay/report/html.js'
import {replayResult} from '../../../src/lib/replay/report/result.js'
import {exampleAnalysis, exampleLive} from '../../unit/replay/example.js'
import {Chromium} from '../support/chromium.js'

/** Texts of one visible picture that lie on each other by more than a pixel. */
const OVERLAPS = `(() => {
  const found = []
  for (const svg of document.querySelectorAll('svg')) {
    if (svg.getBoundingClientRect().width === 0) continue
    const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim() !== '')
    const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()])
    for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
      const [a, b] = [boxes[i][1], boxes[j][1]]
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left)
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
      if (across > 1 && down > 2) found.push(boxes[i][0] + ' / ' + boxes[j][0])
    }
  }
  return found
})()`

/** Texts of pictures that stand out of the page to a side. */
const OUTSIDE = `(() => [...document.querySelectorAll('svg text')].filter((text) => {
  const box = text.getBoundingClientRect()
  return box.width > 0 && (box.left < 0 || box.right > innerWidth)
}).map((text) => text.textContent))()`

/** The smallest letters of visible pictures, px. */
const SMALLEST = `Math.min(...[...document.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0)
  .map((svg) => 12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))`

/** The live section's title, and how many of its table's rows can be seen. */
const LIVE = `(() => {
  const section = [...document.querySelectorAll('section')].find((each) => /^Measured/.test(each.textContent.trim()))
  const rows = [...section.querySelectorAll('tbody tr')].filter((row) => row.getBoundingClientRect().height > 0)
  return [section.querySelector('h2').textContent, rows.length]
})()`

const LATENCIES_MS = [0, 0.5, 1, 2, 5, 10, 20, 50, 80]

describe('the page of overlay replay in Chromium', () => {
  const directory = mkdtempSync(join(tmpdir(), 'overlay-page-'))
  const file = join(directory, 'report.html')
  let chromium: Chromium

  before(() => {
    const analysis = exampleAnalysis('<img src=x onerror=alert(1)>.pcap')
    const parameters = {...DEFAULT_PARAMETERS, replicationAckMs: LATENCIES_MS}
    const live = exampleLive(
      parameters.replicationAckMs,
      `client: <img src=x onerror=alert(2)> ${'ECONNRESET'.repeat(12)}`,
    )
    const result = replayResult(analysis, parameters, live)
    writeFileSync(file, htmlReport(result, analysis.connections, {parameters, connectionId: null}))
    chromium = new Chromium()
  })

  after(async () => {
    await chromium.close()
    rmSync(directory, {recursive: true})
  })

  for (const width of [360, 1400]) {
    for (const dark of [false, true]) {
      it(`at ${width} px, ${dark ? 'dark' : 'light'}: no error, no request, nothing wider than the window or overlapping`, async () => {
        const page = await chromium.open(pathToFileURL(file).href, width, dark)
        const keep = process.env.OVERLAY_SCREENSHOTS
        if (keep) writeFileSync(join(keep, `report-${width}-${dark ? 'dark' : 'light'}.png`), await page.screenshot())
        expect(page.visit).to.deep.equal({errors: [], requests: []})
        // A scroll bar takes some of the window's width.
        const [scroll, client] = await page.evaluate<[number, number]>(
          '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
        )
        expect(scroll).to.equal(client)
        expect(client).to.be.within(width - 20, width)
        expect(await page.evaluate<string[]>(OVERLAPS)).to.deep.equal([])
        expect(await page.evaluate<string[]>(OUTSIDE)).to.deep.equal([])
        expect(await page.evaluate<number>(SMALLEST)).to.be.at.least(11)
        expect(await page.evaluate<number>('document.querySelectorAll("img, script").length')).to.equal(0)
        const [heading, rows] = await page.evaluate<[string, number]>(LIVE)
        expect(heading).to.equal('Measured in the lab, beside the model')
        expect(rows).to.equal(3 + LATENCIES_MS.length)
      })
    }
  }
})
