import {expect} from 'chai'
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {SeededRandom} from '../../../src/lib/failover/random.js'
import {analyse} from '../../../src/lib/replay/analysis/analyse.js'
import {StreamKeeper} from '../../../src/lib/replay/analysis/stream-keeper.js'
import {crowdedCaptures} from './crafted-captures.js'

/** How many; `npm run test:fuzz-capture` asks for 100,000. */
const CAPTURES = Number(process.env.OVERLAY_FUZZED_CAPTURES ?? 1500)
const SEED = Number(process.env.OVERLAY_FUZZ_SEED ?? 5)
/** From a file to its result; a machine that runs other things too needs the slack. */
const LONGEST_MS = 1000
const MOST_GROWTH_BYTES = 200e6
const LYING_NUMBERS = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x40000, 0x7fffffff, 0xffffffff]
const SHARED_CAPTURES = new URL('../../../../shared/captures/', import.meta.url)
/** Larger files would be all that is done. */
const LARGEST_SEED = 60_000

/** Flips bytes, cuts, repeats, swaps in numbers that lie about lengths: one to eight of these. */
function mutate(original: Buffer, random: () => number): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit)
  let bytes = Buffer.from(original)
  for (let count = 1 + below(8); count > 0 && bytes.length > 4; count--) {
    // Headers are few, so half of all damage is done where they are.
    const at = below(random() < 0.5 ? Math.min(200, bytes.length) : bytes.length)
    const kind = below(6)
    switch (kind) {
      case 0: {
        bytes[at] = below(256)
        break
      }

      case 1: {
        bytes[at] ^= 1 << below(8)
        break
      }

      case 2: {
        bytes = bytes.subarray(0, at)
        break
      }

      default:
        if (kind === 3 && at + 4 <= bytes.length) {
          const number = LYING_NUMBERS[below(LYING_NUMBERS.length)]
          if (random() < 0.5) bytes.writeUInt32LE(number, at)
          else bytes.writeUInt32BE(number, at)
        } else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(bytes.length))])
        else bytes.fill(below(256), at, Math.min(bytes.length, at + below(64)))
    }
  }

  return bytes
}

function randomFrom(seed: number): () => number {
  const generator = new SeededRandom(seed)
  return () => generator.next()
}

function seeds(): Buffer[] {
  const found = crowdedCaptures().map(({bytes}) => bytes)
  try {
    for (const name of readdirSync(SHARED_CAPTURES).filter((one) => /\.pcap(ng)?$/.test(one))) {
      const bytes = readFileSync(new URL(name, SHARED_CAPTURES))
      found.push(bytes.subarray(0, LARGEST_SEED))
    }
  } catch {
    // A clone has only what the tests craft.
  }

  return found
}

describe('mutated captures', () => {
  it(`end in a result or a clear error, at once and in bounded memory (${CAPTURES})`, async function () {
    this.timeout(3_600_000)
    const originals = seeds()
    const directory = mkdtempSync(join(tmpdir(), 'ov-fuzz-'))
    const before = process.memoryUsage().rss
    const tally = {results: 0, damaged: 0, refused: 0}
    let slowest = 0
    try {
      const file = join(directory, 'mutated')
      for (let number = 0; number < CAPTURES; number++) {
        const random = randomFrom(SEED * 1_000_003 + number)
        const mutated = mutate(originals[number % originals.length], random)
        // Damage lies before or after the compression.
        const zipped = random() < 0.1
        writeFileSync(file, zipped ? mutate(gzipSync(mutated), random) : mutated)
        const began = performance.now()
        try {
          const {problems, connections} = await analyse([file], {
            streams: random() < 0.5 ? new StreamKeeper([1, 2, 3]) : undefined,
            ageSegments: random() < 0.5 ? 1 : undefined,
          })
          JSON.stringify(connections)
          tally[problems.length > 0 ? 'damaged' : 'results']++
          for (const {offset, problem} of problems)
            expect([offset >= 0, problem.length > 0]).to.deep.equal([true, true])
        } catch (error) {
          const where = `capture ${number} of seed ${SEED}: ${(error as Error).stack}`
          expect(error, where).to.be.instanceOf(OverlayError)
          expect((error as OverlayError).code, where).to.equal('INPUT_INVALID')
          tally.refused++
        }

        const took = performance.now() - began
        slowest = Math.max(slowest, took)
        expect(took, `ms for capture ${number} of seed ${SEED}`).to.be.below(LONGEST_MS)
      }

      const grown = process.memoryUsage().rss - before
      if (CAPTURES > 10_000) {
        const words = `${tally.results} whole, ${tally.damaged} damaged, ${tally.refused} refused`
        process.stdout.write(`${words}; slowest ${slowest.toFixed(0)} ms, memory +${(grown / 1e6).toFixed(0)} MB\n`)
      }

      expect(grown).to.be.below(MOST_GROWTH_BYTES)
      expect([tally.results > 0, tally.damaged > 0, tally.refused > 0]).to.deep.equal([true, true, true])
    } finally {
      rmSync(directory, {recursive: true})
    }
  })
})
