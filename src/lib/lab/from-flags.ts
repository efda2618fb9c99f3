import {OverlayError} from '../errors/index.js'
import {parseLinkWords} from './link-words.js'
import {checkSpec, LINK_NAMES, readSpec, type LabSpec, type LinkName} from './spec.js'

/** What `overlay lab up` was given. */
export interface LabFlags {
  file?: string
  name?: string
  pairs?: string
  congestionControl?: string
  linkEngine?: string
  seed?: number
  /** Round trips by link, milliseconds. */
  rttMs: Partial<Record<LinkName, string>>
  /** `LINK:WORDS` */
  links?: string[]
}

/** The lab that file and flags describe together; a flag wins over the file. @throws OverlayError USAGE, CONFIG_INVALID */
export function specFromFlags(flags: LabFlags): LabSpec {
  const spec = flags.file === undefined ? {} : readSpec(flags.file)
  const links = {...spec.links}
  for (const [link, text] of Object.entries(flags.rttMs)) {
    if (text !== undefined) merge(links, link, parseLinkWords(`rtt=${text}`, `--${link}-rtt`))
  }

  for (const text of flags.links ?? []) {
    const colon = text.indexOf(':')
    const link = colon === -1 ? text : text.slice(0, colon)
    if (colon === -1) throw new OverlayError('USAGE', `--link: "${text}" is not LINK:WORDS, e.g. edge-gateway:loss=1`)
    merge(links, link, parseLinkWords(text.slice(colon + 1), `--link ${link}`))
  }

  const {name, congestionControl, linkEngine, seed} = flags
  const pairs = flags.pairs?.split(',').map((word) => word.trim())
  const given = Object.entries({name, congestionControl, linkEngine, seed, pairs}).filter(
    ([, value]) => value !== undefined,
  )
  return checkSpec({...spec, ...Object.fromEntries(given), links}, 'lab')
}

/** A capture for as long as the lab: `LINK=FILE`, or `LINK@HOST=FILE` for another place than the link's near side. */
export function parseCaptureFlag(text: string): {link: string; host?: string; file: string} {
  const match = /^([a-z-]+)(?:@([a-z-]+))?=(.+)$/.exec(text)
  if (!match) throw new OverlayError('USAGE', `--pcap: "${text}" is not LINK=FILE or LINK@HOST=FILE`)
  const [, link, host, file] = match
  if (!LINK_NAMES.includes(link as LinkName)) {
    throw new OverlayError('USAGE', `--pcap: there is no link ${link}`, {suggestions: [LINK_NAMES.join(', ')]})
  }

  return {link, host, file}
}

function merge(links: Record<string, unknown>, link: string, change: {delayMs?: number; rttMs?: number}): void {
  const before = {...(links[link] as {delayMs?: number; rttMs?: number} | undefined)}
  // Of rttMs and delayMs the later one counts; together they would be refused.
  if (change.rttMs !== undefined) delete before.delayMs
  if (change.delayMs !== undefined) delete before.rttMs
  links[link] = {...before, ...change}
}
