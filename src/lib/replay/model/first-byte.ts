import {playConversation, type ModelTurn} from './conversation.js'
import type {Opening} from './opening.js'
import type {ModelParameters} from './parameters.js'

/**
 * When the server's first byte is at the client, in ms since connect(); null when the server says nothing. The same as
 * {@link playConversation} finds, by a sum where nothing before it fills a window.
 */
export function firstByteAt(
  opening: Opening,
  turns: readonly ModelTurn[],
  parameters: ModelParameters,
  mssBytes: number,
): number | null {
  const first = turns.findIndex(({from, bytes}) => from === 'server' && bytes > 0)
  if (first === -1) return null
  const window = parameters.initialWindow * mssBytes
  let asked = 0
  for (let index = 0; index < first; index++) asked += turns[index].bytes
  if (asked > window) {
    const until = [...turns.slice(0, first), {...turns[first], bytes: 1}]
    return playConversation(opening, until, parameters, mssBytes).firstByteMs
  }

  const {legs, connectMs, acceptMs} = opening
  let client = connectMs
  let server = acceptMs
  for (let index = 0; index < first; index++) {
    if (turns[index].bytes === 0) continue
    client += turns[index].thinkMs
    server = client
    for (const {sendAt, rttMs} of legs) server = Math.max(server, sendAt) + rttMs / 2
  }

  let at = server + turns[first].thinkMs
  for (let index = legs.length - 1; index >= 0; index--) {
    at = Math.max(at, legs[index + 1]?.sendAt ?? 0) + legs[index].rttMs / 2
  }

  return at
}
