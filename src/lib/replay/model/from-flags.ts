import {OverlayError} from '../../errors/index.js'
import {DEFAULT_PARAMETERS, parseLatencies, parseLegs, type ModelParameters} from './parameters.js'

/** The model's flags as they were typed; what is undefined was not given. */
export interface ModelFlags {
  legs?: string
  'leg-shares'?: string
  'path-stretch'?: string
  'origin-connect'?: string
  'initial-window'?: number
  mss?: number
  growth?: string
  'max-window'?: number
  'syn-ack'?: string
  pairs?: string
  'replication-ack'?: string
}

const REGIONS: ReadonlySet<string> = new Set(['edge', 'gateway'])

/**
 * Parameters from flags, the rest as {@link DEFAULT_PARAMETERS}.
 *
 * @throws OverlayError USAGE that names the flag and the value
 */
export function parametersFromFlags(flags: ModelFlags): ModelParameters {
  const {legs, 'leg-shares': shares, 'path-stretch': stretch, 'origin-connect': originConnect} = flags
  if (legs !== undefined && (shares !== undefined || stretch !== undefined)) {
    throw new OverlayError('USAGE', `--legs ${legs} says how long the legs are`, {
      suggestions: ['leave out --leg-shares and --path-stretch, or --legs'],
    })
  }

  const defaults = DEFAULT_PARAMETERS
  return {
    legs:
      legs === undefined
        ? shares === undefined
          ? defaults.legs
          : parseLegs(shares, 'shares', '--leg-shares')
        : parseLegs(legs, 'absolute', '--legs'),
    pathStretch: stretch === undefined ? defaults.pathStretch : parseNumber(stretch, '--path-stretch', 0.01, 100),
    originConnectMs: originConnect === undefined ? null : parseNumber(originConnect, '--origin-connect', 0, 120_000),
    initialWindow: flags['initial-window'] ?? defaults.initialWindow,
    mssBytes: flags.mss ?? defaults.mssBytes,
    growth: flags.growth === undefined ? defaults.growth : parseNumber(flags.growth, '--growth', 1, 10),
    maxWindowBytes: flags['max-window'] ?? defaults.maxWindowBytes,
    synAck: flags['syn-ack'] === 'withheld' ? 'withheld' : 'stateless',
    pairs: flags.pairs === undefined ? defaults.pairs : parsePairs(flags.pairs),
    replicationAckMs:
      flags['replication-ack'] === undefined
        ? defaults.replicationAckMs
        : parseLatencies(flags['replication-ack'], '--replication-ack'),
  }
}

/**
 * A decimal number from a flag.
 *
 * @throws OverlayError USAGE that names the flag, the value and the range
 */
export function parseNumber(text: string, flag: string, least: number, most: number): number {
  const value = Number(text)
  if (!/^\d*\.?\d+$/.test(text.trim()) || value < least || value > most) {
    throw new OverlayError('USAGE', `${flag} ${text}: not a number from ${least} to ${most}`)
  }

  return value
}

function parsePairs(text: string): ModelParameters['pairs'] {
  const words = text.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !REGIONS.has(word))
  if (wrong !== undefined) {
    throw new OverlayError('USAGE', `--pairs ${text}: ${wrong || 'an empty word'} is no region`, {
      suggestions: ['edge, gateway, or edge,gateway'],
    })
  }

  return (['edge', 'gateway'] as const).filter((region) => words.includes(region))
}
