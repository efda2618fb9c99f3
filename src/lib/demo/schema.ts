import {z} from 'zod'

const ms = z.number()

export const DEMO_PATHS = ['direct', 'split', 'zero-rtt'] as const

/** One packet of the middle leg that the story needs. */
const eventSchema = z.strictObject({
  /** After the SYN left, at the edge's interface; in µs precision. */
  atMs: ms,
  event: z.enum(['syn', 'dummy-syn-ack', 'first-data-to-gateway', 'real-syn-ack', 'first-data-to-edge']),
  sequence: z.number().int(),
  /** As in the header; of a SYN with a suggested number it is that number. */
  acknowledgment: z.number().int(),
  payloadBytes: z.number().int(),
})

/** The JSON of `overlay demo`. Times are curl's own, medians over `fetches`. */
export const demoSchema = z.strictObject({
  rttMs: z.strictObject({clientEdge: ms, edgeGateway: ms, gatewayOrigin: ms}),
  fetches: z.number().int(),
  paths: z.array(
    z.strictObject({
      name: z.enum(DEMO_PATHS),
      /** curl's time_connect: TCP handshake of the client. */
      connectMs: ms,
      /** curl's time_starttransfer. */
      firstByteMs: ms,
      /** curl's time_total. */
      totalMs: ms,
    }),
  ),
  /** First byte over split less first byte over zero-RTT. */
  savedMs: ms,
  /** Null when the middle leg was not opened in zero RTT. */
  suggestedNumber: z.number().int().nullable(),
  timeline: z.array(eventSchema),
  warnings: z.array(z.string()).optional(),
})

export type DemoResult = z.infer<typeof demoSchema>
export type TimelineEvent = z.infer<typeof eventSchema>
