/**
 * Times `overlay replay` beside `tshark -q -z conv,tcp` on one file, in alternation: `replay-speed.ts FILE [ROUNDS]`.
 * Needs a build. Prints each run, then the medians, their ratio and the largest memory of overlay (VmHWM).
 */
import {spawn} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

interface Run {
  seconds: number
  /** High-water mark of the resident set, MB, as last seen before the end. */
  peakMb: number
}

const POLL_MS = 20

function time(command: string, words: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const child = spawn(command, words, {stdio: ['ignore', 'ignore', 'inherit']})
    let peakMb = 0
    const poll = setInterval(() => {
      try {
        const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))
        if (match) peakMb = Number(match[1]) / 1000
      } catch {
        // It has just ended.
      }
    }, POLL_MS)
    child.on('error', reject)
    child.on('close', (code) => {
      clearInterval(poll)
      if (code === 0) resolve({seconds: (performance.now() - began) / 1000, peakMb})
      else reject(new Error(`${command} ended with exit code ${code}`))
    })
  })
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

const [file, rounds = '3'] = process.argv.slice(2)
const overlay = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const runs: {tshark: Run; overlay: Run}[] = []
for (let round = 0; round < Number(rounds); round++) {
  const tshark = await time('tshark', ['-q', '-z', 'conv,tcp', '-r', file])
  const ours = await time(process.execPath, [overlay, 'replay', file])
  runs.push({tshark, overlay: ours})
  const words = `tshark ${tshark.seconds.toFixed(2)} s, ${tshark.peakMb.toFixed(0)} MB`
  process.stdout.write(`${words}; overlay ${ours.seconds.toFixed(2)} s, ${ours.peakMb.toFixed(0)} MB\n`)
}

const tsharkSeconds = median(runs.map((run) => run.tshark.seconds))
const ourSeconds = median(runs.map((run) => run.overlay.seconds))
const peakMb = Math.max(...runs.map((run) => run.overlay.peakMb))
process.stdout.write(
  `medians: tshark ${tsharkSeconds.toFixed(2)} s, overlay ${ourSeconds.toFixed(2)} s: ${(tsharkSeconds / ourSeconds).toFixed(1)} times as fast; overlay's peak ${peakMb.toFixed(0)} MB\n`,
)
