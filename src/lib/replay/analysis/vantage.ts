import type {Vantage} from '../connection.js'

/** The nearer side has at most this share of the round trip. */
const NEAR_SHARE = 0.1

/**
 * Where a capture stood, told by how a handshake's round trip divides between SYN to SYN/ACK and SYN/ACK to ACK.
 *
 * @param serverRttMs SYN to SYN/ACK: from the capture to the server and back
 * @param clientRttMs SYN/ACK to ACK: from the capture to the client and back
 */
export function vantageOf(serverRttMs: number | null, clientRttMs: number | null): {vantage: Vantage; because: string} {
  if (serverRttMs === null || clientRttMs === null || serverRttMs < 0 || clientRttMs < 0) {
    return {vantage: 'unknown', because: 'the capture has no whole handshake in its order'}
  }

  const whole = serverRttMs + clientRttMs
  const because = `SYN to SYN/ACK ${serverRttMs.toFixed(3)} ms, SYN/ACK to ACK ${clientRttMs.toFixed(3)} ms`
  if (whole === 0) return {vantage: 'unknown', because}
  if (clientRttMs <= NEAR_SHARE * whole) return {vantage: 'near-client', because}
  return {vantage: serverRttMs <= NEAR_SHARE * whole ? 'near-server' : 'between', because}
}
