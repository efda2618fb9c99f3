import {TcpFlag, type TcpSegment} from '../wire/tcp-segment.js'
import type {Flow, Part} from './flow.js'
import {outcomeOf, randomWindow, silentOutcome, tsClock, type SynOutcome} from './syn.js'

/**
 * SYN, the answer to it, RST: the handshake's round trip without a connection being left. The RST goes out after silence
 * too, for a SYN/ACK that was lost leaves a half-open connection.
 *
 * @param syn with the sequence number it starts at
 * @param timeoutMs how long an answer may take
 */
export async function synExchange(
  flow: Flow,
  syn: Part,
  timeoutMs: number,
  abandon?: AbortSignal,
): Promise<SynOutcome> {
  const length = syn.payload?.length ?? 0
  await flow.send(syn)
  const found = await flow.until((events) => outcomeOf(events, syn.sequence, length), timeoutMs, abandon)
  const outcome = found ?? silentOutcome()
  if (outcome.answer === 'reset') flow.close()
  else await flow.finish(outcome.synAck?.acknowledgment ?? syn.sequence + 1)
  return outcome
}

/**
 * A segment of a connection whose SYN/ACK has come.
 *
 * @param isn of the SYN
 * @param offset of the data, in bytes from the first
 * @param payload none: a bare ACK
 */
export function afterSynAck(isn: number, synAck: TcpSegment, offset: number, payload?: Uint8Array): Part {
  const {timestamps} = synAck.options
  return {
    sequence: (isn + 1 + offset) >>> 0,
    acknowledgment: (synAck.sequence + 1) >>> 0,
    flags: payload === undefined ? TcpFlag.ACK : TcpFlag.ACK | TcpFlag.PSH,
    window: randomWindow(),
    options: timestamps && {timestamps: {value: tsClock(), echo: timestamps.value}},
    payload,
  }
}
