import {OverlayError} from '../errors/index.js'
import {formatDuration} from './duration.js'

/** Where a value comes from; the first that says something holds. `missing`: nobody does, and start would refuse. */
export type Origin = 'default' | 'environment' | 'file' | 'flag' | 'missing'

/** As in the file: durations with their unit. */
export type Shown = boolean | number | string | readonly string[] | null

/** One value that holds. */
export interface Setting {
  /** Dotted path in the file. */
  key: string
  value: Shown
  origin: Origin
  /** The flag or variable that says it; else null. */
  from: string | null
}

/** Flags that were given, by name: on the command line, or by a variable of the environment. */
export type FlagSources = ReadonlyMap<string, {origin: 'environment' | 'flag'; from: string}>

/** A value of each source, undefined where it says nothing. */
export interface Sources<Value> {
  key: string
  /** Without the dashes; null where no flag says it. */
  flag?: string
  byFlag?: Value | undefined
  byFile: Value | undefined
}

/**
 * Decides between flag or environment, file and default, and remembers what was decided and why. `start` and `config show`
 * resolve by the same calls, so that what is shown is what holds.
 */
export class Resolution {
  readonly settings: Setting[] = []

  /**
   * @param role before each key
   * @param flags that were given; for their origin alone
   * @param lenient what is missing is remembered, and not refused
   */
  constructor(
    readonly role: 'edge' | 'gateway',
    private readonly flags: FlagSources = new Map(),
    private readonly lenient = false,
  ) {}

  pick<Value>(sources: Sources<Value>, byDefault: Value, show: (value: Value) => Shown = plain): Value {
    const value = sources.byFlag ?? sources.byFile ?? byDefault
    this.remember(sources, show(value), 'default')
    return value
  }

  /** ms. */
  duration(sources: Sources<number>, byDefault: number): number {
    return this.pick(sources, byDefault, formatDuration)
  }

  /**
   * A value that has no default.
   *
   * @param instead what is returned when it is missing and that is not refused
   * @throws OverlayError USAGE
   */
  need<Value>(sources: Sources<Value>, instead: Value, show: (value: Value) => Shown = plain): Value {
    const value = sources.byFlag ?? sources.byFile
    if (value === undefined) {
      this.missing(`--${sources.flag}`, sources.key)
      return instead
    }

    this.remember(sources, show(value), 'missing')
    return value
  }

  /** @throws OverlayError USAGE, unless lenient */
  missing(flags: string, key: string): void {
    if (!this.lenient) {
      throw new OverlayError('USAGE', `${flags} is needed`, {
        suggestions: [`give ${flags}, or --config with a file that has ${this.role}.${key}`],
      })
    }

    this.settings.push({key: `${this.role}.${key}`, value: null, origin: 'missing', from: flags})
  }

  private remember({key, flag, byFlag, byFile}: Sources<unknown>, value: Shown, otherwise: Origin): void {
    const by = byFlag === undefined || flag === undefined ? undefined : this.flags.get(flag)
    this.settings.push({
      key: `${this.role}.${key}`,
      value,
      origin: by?.origin ?? (byFlag === undefined ? (byFile === undefined ? otherwise : 'file') : 'flag'),
      from: by?.from ?? null,
    })
  }
}

function plain(value: unknown): Shown {
  if (Array.isArray(value)) return value.map(String)
  return value === null || typeof value === 'boolean' || typeof value === 'number' ? value : String(value)
}
