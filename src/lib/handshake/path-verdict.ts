/** What became of zero-RTT openings towards one gateway. */
export interface OpeningCounts {
  /** SYNs that left with a suggested number. */
  syns: number
  /** Answered by the SYN/ACK with that number. */
  confirmed: number
  /** Something later than the SYN/ACK confirmed it: the early data made the connection, or the SYN/ACK was lost. */
  confirmedByData: number
  /** Answered by a SYN/ACK with another number. */
  mismatches: number
  /** Answered by an RST. */
  refused: number
}

/** A verdict on a path, with what led to it and what to do about it. */
export interface Judgement {
  verdict: 'blocked' | 'closed' | 'filtered' | 'ordinary' | 'unreachable' | 'zero-rtt'
  reasons: string[]
  advice: string[]
}

const MISMATCH_ADVICE = [
  'compare the key files of both ends, and their clocks: 64 s apart is too much',
  'leave zero-RTT off where a NAT stands between edge and gateway, or something rewrites sequence numbers or timestamps',
]

/**
 * Is this path fit for zero-RTT, by what became of openings on it? The edge asks it of its path state, the probe of its
 * own exchanges.
 *
 * @param known the other end is an overlay gateway with our key, by other evidence or by the operator's word
 * @returns null when nothing was opened
 */
export function judgeOpenings(counts: OpeningCounts, known: boolean): Judgement | null {
  const {syns, confirmed, confirmedByData, mismatches, refused} = counts
  if (syns === 0) return null
  const good = confirmed + confirmedByData
  if (good > 0 && mismatches + refused <= good) {
    const reasons = [`${good} of ${syns} openings with a suggested number were confirmed`]
    if (confirmedByData > 0) {
      reasons.push(`${confirmedByData} of them by what came after it: the SYN, or the SYN/ACK, was lost`)
    }

    if (mismatches > 0) reasons.push(`${mismatches} of ${syns} were answered with another number`)
    return {verdict: 'zero-rtt', reasons, advice: mismatches > 0 ? MISMATCH_ADVICE : []}
  }

  if (mismatches >= refused && mismatches > 0) {
    return {
      verdict: known ? 'blocked' : 'ordinary',
      reasons: [
        `${mismatches} of ${syns} openings were answered with a number other than the one suggested`,
        ...(known ? [] : ['nothing else says that an overlay gateway with this key is there']),
      ],
      advice: MISMATCH_ADVICE,
    }
  }

  if (refused > 0) {
    return {
      verdict: 'closed',
      reasons: [`${refused} of ${syns} openings were answered by an RST`],
      advice: ['start the gateway, or look at what resets connections on the way'],
    }
  }

  return {
    verdict: known ? 'blocked' : 'filtered',
    reasons: [`none of ${syns} openings with a suggested number was answered`],
    advice: ['something on the way drops SYNs with a number in the ACK field, or all of them'],
  }
}
