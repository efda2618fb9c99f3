import {Resolution} from './resolution.js'

/**
 * Reads flags, environment and file again, and says what has changed since.
 *
 * @param before what holds now
 * @param read resolves anew
 * @returns keys whose values differ, sorted
 * @throws OverlayError what `read` throws: CONFIG_INVALID for a file that is no longer valid
 */
export function changedKeys(before: Resolution, read: (resolution: Resolution) => unknown): string[] {
  const after = new Resolution(before.role)
  read(after)
  const old = valuesOf(before)
  const fresh = valuesOf(after)
  return [...new Set([...old.keys(), ...fresh.keys()])].filter((key) => old.get(key) !== fresh.get(key)).sort()
}

function valuesOf({settings}: Resolution): Map<string, string> {
  return new Map(settings.map(({key, value}) => [key, JSON.stringify(value)]))
}
