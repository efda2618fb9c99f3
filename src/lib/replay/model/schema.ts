import {z} from 'zod'

import type {List} from '../../cli/made-list.js'
import {BREAK_EVENS} from './break-even.js'
import {distributionSchema} from './distribution.js'
import {MODEL_PATHS} from './opening.js'
import {modelParametersSchema} from './parameters.js'

/** Null when no connection has such a time. */
const distribution = distributionSchema.nullable()
const latency = z.number().nonnegative()

/** Modelled times in ms since the client called connect(), over connections. docs/REPLAY.md defines each. */
const pathRowSchema = z.strictObject({
  path: z.enum(MODEL_PATHS),
  /** Null for direct, which no pair has a part in. */
  replicationAckMs: latency.nullable(),
  /** The client's connect() has returned. */
  connectMs: distribution,
  /** What handshakes add to the first byte: until the client's first byte is at the origin, less one way over the path. */
  handshakeMs: distribution,
  /** The server's first byte is at the client. */
  firstByteMs: distribution,
  /** The last byte of the conversation has arrived; over `model.playedToTheEnd` connections. */
  completedMs: distribution,
})

const savedShape = {handshakeSavedMs: distribution, firstByteSavedMs: distribution, completedSavedMs: distribution}

/** Direct less overlay, per connection; negative where the overlay is slower. The split with zero-RTT, and without under `split`. */
const savingsRowSchema = z.strictObject({replicationAckMs: latency, ...savedShape, split: z.strictObject(savedShape)})

const breakEvenShape = {
  breakEvenReplicationAckMs: z.number().nullable(),
  breakEven: z.enum(BREAK_EVENS),
}

const serverRowSchema = z.strictObject({
  server: z.string(),
  connections: z.number().int(),
  rttMs: distributionSchema,
  handshakeSavedMs: z.array(z.strictObject({replicationAckMs: latency, mean: z.number()})),
  ...breakEvenShape,
})

/** What the model adds to the JSON of `overlay replay`. */
export const modelResultShape = {
  model: modelParametersSchema.extend({
    /** Connections with a measured handshake: those that are modelled. */
    connections: z.number().int(),
    /** Of how many of them, evenly spread, the whole conversation is modelled. */
    playedToTheEnd: z.number().int(),
  }),
  paths: z.array(pathRowSchema),
  savings: z.array(savingsRowSchema),
  ...breakEvenShape,
  servers: z.array(serverRowSchema),
}

export const modelResultSchema = z.strictObject(modelResultShape)
/** As it is made: its rows by server, of which there may be very many, one at a time. */
export type ModelResult = Omit<z.infer<typeof modelResultSchema>, 'servers'> & {servers: List<ServerRow>}
export type PathRow = z.infer<typeof pathRowSchema>
export type SavingsRow = z.infer<typeof savingsRowSchema>
export type ServerRow = z.infer<typeof serverRowSchema>
