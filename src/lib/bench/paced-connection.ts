import {rmSync} from 'node:fs'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {PairStage} from '../failover/stage.js'
import {ackDelays} from './ack-delay.js'
import type {PacedOrders} from './paced-client.js'

const BURSTS = 20
const DEADLINE_MS = 120_000
const SNAP_LENGTH = 128

/**
 * Opens a connection that sends two full segments now and then, and captures it at the client. A LoadOrigin must run.
 *
 * @param flow no two flows of a lab have one number
 * @param everyMs from one burst to the next
 * @returns from the last segment of a burst leaving to its acknowledgement, ms, of each burst
 * @throws OverlayError UNREACHABLE when the connection fails
 */
export async function measureAckDelays(stage: PairStage, flow: number, everyMs: number): Promise<number[]> {
  const {address, port} = stage.service
  const file = stage.file('paced.pcap')
  const capture = await stage.lab.capture('client', 'client-edge', file, {
    filter: `tcp and host ${address}`,
    snapLength: SNAP_LENGTH,
  })
  try {
    const orders: PacedOrders = {address, port, flow, bursts: BURSTS, everyMs}
    const words = [...nodeCommand(new URL('paced-client.js', import.meta.url)), JSON.stringify(orders)]
    const {code, stderr} = await stage.lab.exec('client', words, {timeoutMs: DEADLINE_MS})
    if (code !== 0) throw new OverlayError('UNREACHABLE', 'the paced connection failed', {cause: stderr.trim()})
  } finally {
    await capture.stop()
  }

  // The first is of the header, and of how the connection began.
  const delays = ackDelays(file, stage.address(1, 11)).slice(1)
  rmSync(file, {force: true})
  return delays
}
