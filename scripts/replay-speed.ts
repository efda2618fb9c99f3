/**
 * Times `overlay replay`, as text and with `--json`, beside `tshark -q -z conv,tcp` on one file, in alternation:
 * `replay-speed.ts FILE [ROUNDS]`. Needs a build. Prints each run, then medians, their ratio and the largest memory of
 * overlay (VmHWM).
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
const COMMANDS = {
  tshark: ['tshark', '-q', '-z', 'conv,tcp', '-r', file],
  overlay: [process.execPath, overlay, 'replay', file],
  'overlay --json': [process.execPath, overlay, 'replay', file, '--json'],
}
const runs = new Map<string, Run[]>(Object.keys(COMMANDS).map((name) => [name, []]))
for (let round = 0; round < Number(rounds); round++) {
  const words: string[] = []
  for (const [name, [command, ...rest]] of Object.entries(COMMANDS)) {
    const run = await time(command, rest)
    runs.get(name)!.push(run)
    words.push(`${name} ${run.seconds.toFixed(2)} s, ${run.peakMb.toFixed(0)} MB`)
  }

  process.stdout.write(`${words.join('; ')}\n`)
}

const seconds = (name: string): number => median(runs.get(name)!.map((run) => run.seconds))
for (const name of ['overlay', 'overlay --json']) {
  const peakMb = Math.max(...runs.get(name)!.map((run) => run.peakMb))
  process.stdout.write(
    `medians: tshark ${seconds('tshark').toFixed(2)} s, ${name} ${seconds(name).toFixed(2)} s: ${(seconds('tshark') / seconds(name)).toFixed(1)} times as fast; peak ${peakMb.toFixed(0)} MB\n`,
  )
}
