import {readFileSync} from 'node:fs'

/** One line of /proc/self/mountinfo. */
export interface Mount {
  path: string
  /** `/` unless only a part of the file system is mounted there. */
  root: string
  type: string
}

/** Reads mountinfo (proc_pid_mountinfo(5)); octal escapes in paths are undone. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ')
    const fields = before.split(' ')
    if (after === undefined || fields.length < 6) continue
    mounts.push({root: unescape(fields[3]), path: unescape(fields[4]), type: after.split(' ')[0]})
  }

  return mounts
}

function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)))
}

/** What this process sees mounted. */
export function mounts(): Mount[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'))
}
