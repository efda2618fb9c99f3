import {expect} from 'chai'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {parseCaptureFlag, specFromFlags} from '../../../src/lib/lab/from-flags.js'
import {parseLinkWords} from '../../../src/lib/lab/link-words.js'
import {checkSpec, readSpec} from '../../../src/lib/lab/spec.js'

function failure(work: () => unknown): OverlayError {
  try {
    work()
  } catch (error) {
    if (error instanceof OverlayError) return error
    throw error
  }

  throw new Error('nothing was thrown')
}

describe('lab specification', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ov-spec-'))
  const file = join(directory, 'lab.yaml')

  after(() => rmSync(directory, {recursive: true}))

  it('may be empty', () => {
    expect(checkSpec(null, 'x')).to.deep.equal({})
    expect(checkSpec({}, 'x')).to.deep.equal({})
  })

  it('refuses an unknown key and names the nearest known one, at every level', () => {
    const cases: [unknown, string, string][] = [
      [{pair: ['edge']}, 'pair', 'pairs'],
      [{links: {'edge-gatway': {}}}, 'links.edge-gatway', 'edge-gateway'],
      [{links: {'edge-gateway': {rttMS: 1}}}, 'links.edge-gateway.rttMS', 'rttMs'],
      [{links: {'edge-gateway': {towards: {edge: {los: 1}}}}}, 'links.edge-gateway.towards.edge.los', 'lossPercent'],
    ]
    for (const [spec, key, near] of cases) {
      const error = failure(() => checkSpec(spec, 'file'))
      expect(error.code).to.equal('CONFIG_INVALID')
      expect(error.message).to.include(`file: ${key} is not a key`)
      expect(error.suggestions.join(' ')).to.include(near)
    }
  })

  it('refuses values out of range, names the key, and rttMs together with delayMs', () => {
    for (const link of [{lossPercent: 101}, {rttMs: -1}, {drop: ['syn']}, {hold: ['data:1']}, {delayMs: 1, rttMs: 2}]) {
      const error = failure(() => checkSpec({links: {'client-edge': link}}, 'file'))
      expect(error.code, JSON.stringify(link)).to.equal('CONFIG_INVALID')
      expect(error.message).to.include('links.client-edge')
    }
  })

  it('reads YAML, and says in which line it is not YAML', () => {
    writeFileSync(file, 'pairs: [edge]\nlinks:\n  edge-gateway: {rttMs: 80, drop: ["syn:1"]}\n')
    expect(readSpec(file)).to.deep.equal({pairs: ['edge'], links: {'edge-gateway': {rttMs: 80, drop: ['syn:1']}}})
    writeFileSync(file, 'name: a\nlinks: {{\n')
    const error = failure(() => readSpec(file))
    expect(error.code).to.equal('CONFIG_INVALID')
    expect(error.message).to.match(/line \d/)
    expect(failure(() => readSpec(join(directory, 'none'))).code).to.equal('NOT_FOUND')
  })

  it('takes flags before the file, and the rest from the file', () => {
    writeFileSync(file, 'name: a\nseed: 4\nlinks:\n  edge-gateway: {delayMs: 5, lossPercent: 2}\n')
    const spec = specFromFlags({
      file,
      name: 'b',
      pairs: 'edge,gateway',
      rttMs: {'edge-gateway': '80'},
      links: ['edge-gateway:jitter=1', 'client-edge:rate=10'],
    })
    expect(spec).to.deep.equal({
      name: 'b',
      seed: 4,
      pairs: ['edge', 'gateway'],
      links: {'edge-gateway': {rttMs: 80, lossPercent: 2, jitterMs: 1}, 'client-edge': {rateMbit: 10}},
    })
  })

  it('names the flag at fault', () => {
    expect(failure(() => specFromFlags({rttMs: {'client-edge': 'ten'}})).message).to.include('--client-edge-rtt')
    expect(failure(() => specFromFlags({rttMs: {}, links: ['edge-gateway']})).code).to.equal('USAGE')
    expect(failure(() => specFromFlags({rttMs: {}, pairs: 'edges'})).code).to.equal('CONFIG_INVALID')
  })

  it('reads the words of a link', () => {
    expect(parseLinkWords('rtt=80,loss=0.5,drop=syn:1,drop=data:1-3,hold=data:2+5,copy=none', '--link')).to.deep.equal({
      rttMs: 80,
      lossPercent: 0.5,
      drop: ['syn:1', 'data:1-3'],
      hold: ['data:2+5'],
      copy: [],
    })
    const error = failure(() => parseLinkWords('jiter=1', '--link x'))
    expect(error.message).to.include('--link x')
    expect(error.suggestions).to.deep.equal(['did you mean jitter?'])
    expect(failure(() => parseLinkWords('loss=', '--link x')).code).to.equal('USAGE')
  })

  it('reads where to capture', () => {
    expect(parseCaptureFlag('edge-gateway=a=b.pcap')).to.deep.include({link: 'edge-gateway', file: 'a=b.pcap'})
    expect(parseCaptureFlag('edge-gateway@gateway=x')).to.deep.equal({link: 'edge-gateway', host: 'gateway', file: 'x'})
    expect(failure(() => parseCaptureFlag('edge=x')).suggestions.join(' ')).to.include('edge-gateway')
    expect(failure(() => parseCaptureFlag('edge-gateway')).code).to.equal('USAGE')
  })
})
