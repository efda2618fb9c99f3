import type {Change} from './changes.js'

/** What a path does, by name. */
export interface Condition extends Change {
  /** In words. */
  what: string
  /** `outbound`: to the target; `inbound`: from it; null where a test of both ways found it. */
  direction: 'inbound' | 'outbound' | null
  /** Who says so. */
  evidence: 'echo' | 'quote' | 'variant'
  /** The first hop that quoted the packet changed, and the last one that quoted it unchanged; null when none did. */
  hop: {ttl: number; address: string} | null
}

/** What the names mean; names that end in -stripped, -rewritten, -added and -clamped explain themselves by their values. */
const WORDS: Record<string, string> = {
  'nat-source': 'the source address or port was translated',
  'nat-destination': 'the destination address or port was translated',
  'dscp-rewritten': 'DSCP was changed',
  'ecn-bits-rewritten': 'the ECN bits of the IP header were changed',
  'ttl-rewritten': 'the hop limit grew',
  'sequence-rewritten': 'the sequence number was changed',
  'ack-field-rewritten': 'the ACK field of a packet without the ACK flag was changed',
  'acknowledgment-rewritten': 'the acknowledgment number was changed',
  'ecn-flags-rewritten': 'the ECN flags of the TCP header were changed',
  'flags-rewritten': 'TCP flags were changed',
  'window-rewritten': 'the window was changed',
  'data-stripped': 'data was removed or added',
  'options-stripped': 'all TCP options were removed',
  'mss-clamped': 'the MSS was reduced',
  'mtu-reduced': 'packets with early data that fill the interface are too large for the path, as an ICMP error says',
  'large-packets-dropped': 'packets with early data that fill the interface are dropped, and no ICMP error says so',
  'syn-ack-field-dropped': 'SYNs with a number in the ACK field are dropped',
  'early-data-dropped': 'data before the SYN/ACK is dropped',
  'stateful-loose':
    'ACKs before the SYN/ACK are dropped, segments of an unknown flow pass: connection tracking, loose pickup',
  'stateful-strict':
    'ACKs before the SYN/ACK and segments of an unknown flow are dropped: connection tracking, no loose pickup',
}

/** The name's meaning in words. */
export function explain(name: string): string {
  if (WORDS[name]) return WORDS[name]
  const match = /^(.*)-(stripped|rewritten|added|dropped)$/.exec(name)
  if (!match) return name
  const option = match[1].replaceAll('-', ' ')
  const verb = {stripped: 'was removed', rewritten: 'was changed', added: 'was added', dropped: 'is dropped'}[match[2]]
  return match[2] === 'dropped' ? `a SYN with ${option} ${verb}` : `the option ${option} ${verb}`
}

/** Each kind of change once: the first of its name and direction. */
export function conditionsOf(
  changes: readonly Change[],
  direction: Condition['direction'],
  evidence: Condition['evidence'],
): Condition[] {
  const byName = new Map<string, Condition>()
  for (const change of changes) {
    if (!byName.has(change.name)) {
      byName.set(change.name, {...change, what: explain(change.name), direction, evidence, hop: null})
    }
  }

  // Of a packet that had one option the name is that option's, of others all at once: the second says it.
  const all = byName.get('options-stripped')?.sent
  const options = typeof all === 'string' ? all.split(', ') : []
  for (const option of options) byName.delete(`${option}-stripped`)
  return [...byName.values()]
}

/** What became of the tests that tell a stateful filter; null where one was not made, or tells nothing. */
export interface EarlyEvidence {
  /** Data between the SYN and the SYN/ACK passes. */
  earlyData: boolean | null
  /** A bare ACK there passes; only an echo can tell. */
  earlyAck: boolean | null
  /** Data of a flow whose SYN never left passes. */
  dataWithoutSyn: boolean | null
}

/**
 * Names what drops early segments. Connection tracking calls any ACK before the SYN/ACK invalid; with loose pickup it
 * takes a flow up from its middle (nf_conntrack_tcp_loose). What drops data alone lets the bare ACK pass.
 */
export function earlyConditions({earlyData, earlyAck, dataWithoutSyn}: EarlyEvidence): string[] {
  if (earlyData !== false) return []
  if (earlyAck === true) return ['early-data-dropped']
  if (dataWithoutSyn === true) return ['stateful-loose']
  if (dataWithoutSyn === false && earlyAck === false) return ['stateful-strict']
  return ['early-data-dropped']
}
