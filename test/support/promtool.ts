import {spawnSync} from 'node:child_process'

/** Whether promtool (Debian package prometheus) is installed. */
export function hasPromtool(): boolean {
  return spawnSync('promtool', ['--version'], {timeout: 10_000}).status === 0
}

/** Runs promtool to its end. @returns null when it is content, else what it said */
export function promtool(words: readonly string[], input?: string): string | null {
  const {status, stdout, stderr} = spawnSync('promtool', words, {input, encoding: 'utf8', timeout: 10_000})
  return status === 0 ? null : `${stdout}${stderr}`
}
