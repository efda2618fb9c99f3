import type {PlayedTurn, SpeakerReport} from './speaker.js'

/** What a playing process is told of one conversation: a JSON object on one line of its standard input. */
export interface PlayOrder {
  /** Names it in the answer. */
  play: number
  turns: PlayedTurn[]
  /** A file with all bytes that this side sends. */
  own: string
  /** The conversation has failed when it takes longer. */
  timeoutMs: number
  /** Where the client connects, or which of its ports the origin expects it on. */
  address: string
  port: number
}

/** The client's answer, one line of its standard output. Times in ns of CLOCK_MONOTONIC. */
export interface ClientAnswer extends SpeakerReport {
  play: number
  /** connect() was called. */
  startedNs: string
  /** The connection was established. */
  connectedNs: string | null
}

/** The origin's answers: `armed` when it expects the conversation, then what came of it. */
export type OriginAnswer =
  | {play: number; armed: true}
  | (SpeakerReport & {play: number; armed: false; acceptedNs: string | null})
  /** Somebody connected whom no order had announced. */
  | {play: null; port: number}
