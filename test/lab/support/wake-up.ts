import {execFile, execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {cpus, tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'

/**
 * What this machine can do: how late it wakes a program that waits for the time alone (wake-up.c), ms, at the 99th of 100
 * times, on the worst of its processors. Takes half a second.
 */
export async function wakeUpLatenessMs(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'ov-wake-up-'))
  try {
    const program = join(directory, 'wake-up')
    execFileSync('cc', ['-O2', '-o', program, fileURLToPath(new URL('wake-up.c', import.meta.url))])
    const all = await Promise.all(cpus().map((_, cpu) => promisify(execFile)(program, [String(cpu)])))
    return Math.max(...all.map(({stdout}) => Number(stdout) / 1000))
  } finally {
    rmSync(directory, {recursive: true, force: true})
  }
}
