/**
 * Entry of a process: `round-trip-client ADDRESS COUNT` measures a link's own round trip, with no program at the other end:
 * connect() to a port where nobody listens, which the kernel there answers with an RST. Prints the times in ms as JSON.
 */
import {constants, setPriority} from 'node:os'
import {hrtime} from 'node:process'

import {blockingSocket} from '../kernel/blocking-tcp.js'
import {ECONNREFUSED, systemCallError} from '../kernel/errno.js'
import {errno, sys} from '../kernel/libc.js'
import {socketAddress} from '../kernel/sockaddr.js'

/** tcpmux, which is not in use (IANA). */
const PORT = 1
const TIMEOUT_MS = 5000
/** From one to the next: a link that is idle in between, as when something is sent now and then. */
const PAUSE_MS = 20

const [address, count] = process.argv.slice(2)
const target = socketAddress({address, port: PORT})
const clock = new Int32Array(new SharedArrayBuffer(4))
const times: number[] = []
setPriority(constants.priority.PRIORITY_HIGHEST) // what measures must not wait for others
for (let i = 0; i < Number(count); i++) {
  const fd = blockingSocket(target.family, TIMEOUT_MS)
  const start = hrtime.bigint()
  const refused = sys.connect(fd, target.at, target.length) < 0 && errno() === ECONNREFUSED
  if (!refused) throw systemCallError(`connect to ${address}, where nobody listens,`)
  times.push(Number(hrtime.bigint() - start) / 1e6)
  sys.close(fd)
  Atomics.wait(clock, 0, 0, PAUSE_MS)
}

process.stdout.write(JSON.stringify(times) + '\n')
