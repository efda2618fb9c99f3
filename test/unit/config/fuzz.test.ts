import {expect} from 'chai'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {parseBytes, type ConfigProblem} from '../../../src/lib/config/config-file.js'
import {renderCheck} from '../../../src/lib/config/check.js'
import {edgeSettings, gatewaySettings} from '../../../src/lib/config/relay-settings.js'
import {configSchema, type ConfigFile} from '../../../src/lib/config/schema.js'
import {randomConfig} from '../../support/random-config.js'

/** As many as `npm run test:fuzz-config` says; a sample otherwise. */
const CONFIGURATIONS = Number(process.env.OVERLAY_FUZZ_CONFIGURATIONS ?? 500)
const FIRST_SEED = Number(process.env.OVERLAY_FUZZ_SEED ?? 1)

/** Processor time of one file, ms: of this thread alone, so that a busy machine makes no failure. */
const LONGEST_MS = 1000

describe('config check under random files', () => {
  it(`${CONFIGURATIONS} of them: each is judged in time, and what is refused is named with key and line`, function () {
    this.timeout(60_000 + CONFIGURATIONS * 200)
    const verdicts = {valid: 0, refused: 0}
    let slowest = {ms: 0, seed: 0}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + CONFIGURATIONS; seed++) {
      const {bytes, good} = randomConfig(seed)
      const before = process.cpuUsage()
      const {config, problems} = parseBytes(bytes, configSchema)
      renderCheck('FILE', {valid: config !== null, problems})
      const {user, system} = process.cpuUsage(before)
      const ms = (user + system) / 1000
      if (ms > slowest.ms) slowest = {ms, seed}
      if (good) expect(problems, `seed ${seed}`).to.deep.equal([])
      expect((config === null) === problems.length > 0, `seed ${seed}`).to.equal(true)
      for (const problem of problems) expectPlaced(problem, bytes, seed)
      if (config !== null) expectStartAgrees(config, bytes, seed)
      verdicts[config === null ? 'refused' : 'valid']++
    }

    expect(slowest.ms, `seed ${slowest.seed}`).to.be.lessThan(LONGEST_MS)
    expect(verdicts.valid).to.be.greaterThan(CONFIGURATIONS / 10)
    expect(verdicts.refused).to.be.greaterThan(CONFIGURATIONS / 10)
    if (CONFIGURATIONS > 500) {
      console.log(
        `    ${verdicts.valid} valid, ${verdicts.refused} refused; slowest ${slowest.ms.toFixed(0)} ms of processor time (seed ${slowest.seed})`,
      )
    }
  })
})

/** What is valid here, start does not refuse; flags give what the file leaves out. */
function expectStartAgrees({edge, gateway}: ConfigFile, bytes: Buffer, seed: number): void {
  const directory = mkdtempSync(join(tmpdir(), 'ov-'))
  try {
    const path = join(directory, 'overlay.yaml')
    writeFileSync(path, bytes)
    const flags = {name: 'default', config: path, 'key-file': 'keys'}
    const service = {listen: '127.0.0.1:1', origin: '127.0.0.1:2', gateway: ['127.0.0.1:3']}
    if (edge) edgeSettings({...flags, ...(edge.services === undefined && service)})
    if (gateway) {
      gatewaySettings({
        ...flags,
        ...(gateway.listen === undefined && {listen: ['127.0.0.1:1']}),
        ...(gateway.allowOrigins === undefined && {'allow-origin': ['127.0.0.1:2']}),
      })
    }
  } catch (error) {
    throw new Error(`seed ${seed}: start refuses what check calls valid`, {cause: error})
  } finally {
    rmSync(directory, {recursive: true})
  }
}

/** The key may be empty only where the file as a whole is at fault. */
function expectPlaced({key, line, message}: ConfigProblem, bytes: Buffer, seed: number): void {
  const lines = bytes.toString('utf8').split('\n').length
  expect(line, `seed ${seed}`).to.be.within(1, lines)
  expect(message, `seed ${seed}`).to.not.equal('')
  expect(key + message, `seed ${seed}`)
    .to.not.match(/\n\s+at /)
    .and.not.match(/\p{Cc}/u)
  expect(message.length, `seed ${seed}`).to.be.lessThan(4000)
  expect(message, `seed ${seed}`).to.not.match(/is not a function|undefined|Cannot read|call stack/)
}
