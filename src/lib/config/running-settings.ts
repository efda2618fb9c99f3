import {Resolution} from './resolution.js'

/** What a reload finds. */
export interface Reread<Settings> {
  settings: Settings
  /** Keys whose values are not those that run, sorted. */
  changed: string[]
  /** From now on these values run. */
  accept(keys: readonly string[]): void
}

/** What an instance runs with, and how it was come by: flags, environment and file can be read again. */
export class RunningSettings<Settings> {
  private readonly running: Map<string, string>

  /**
   * @param resolution of the values that run
   * @param read resolves anew
   */
  constructor(
    private readonly resolution: Resolution,
    private readonly read: (resolution: Resolution) => Settings,
  ) {
    this.running = valuesOf(resolution)
  }

  /** @throws OverlayError what `read` throws: CONFIG_INVALID for a file that is no longer valid */
  reread(): Reread<Settings> {
    const again = new Resolution(this.resolution.role)
    const settings = this.read(again)
    const {running} = this
    const fresh = valuesOf(again)
    const changed = [...new Set([...running.keys(), ...fresh.keys()])]
      .filter((key) => running.get(key) !== fresh.get(key))
      .sort()
    return {
      settings,
      changed,
      accept(keys) {
        for (const key of keys) {
          const value = fresh.get(key)
          if (value === undefined) running.delete(key)
          else running.set(key, value)
        }
      },
    }
  }
}

function valuesOf({settings}: Resolution): Map<string, string> {
  return new Map(settings.map(({key, value}) => [key, JSON.stringify(value)]))
}
