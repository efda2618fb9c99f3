/**
 * Entry of a process: the client of load benches. Reads one JSON {@link LoadOrder} a line from standard input, carries each
 * out, and writes one JSON outcome a line. It ends with its input.
 */
import {createInterface} from 'node:readline'

import {Load} from './carry-out.js'
import type {LoadOrder} from './orders.js'

const load = new Load()
for await (const line of createInterface({input: process.stdin})) {
  process.stdout.write(JSON.stringify(load.carryOut(JSON.parse(line) as LoadOrder)) + '\n')
}
