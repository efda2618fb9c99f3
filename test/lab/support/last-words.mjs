// last-words.mjs ADDRESS PORT COUNT WITHIN-MS: keeps COUNT connections to an echo server busy with single bytes, each until a
// moment of its own within WITHIN-MS; says `quiet` when all have said their last, and keeps them open until its input ends.
import {once} from 'node:events'
import {connect} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

const [host, port, count, within] = process.argv.slice(2)
const ECHO_MS = 5000

async function speak(index) {
  const socket = connect({host, port: Number(port), noDelay: true})
  await once(socket, 'connect')
  const until = performance.now() + ((index + 1) / Number(count)) * Number(within)
  do {
    socket.write('x')
    await once(socket, 'data', {signal: AbortSignal.timeout(ECHO_MS)})
    await sleep(10)
  } while (performance.now() < until)
}

await Promise.all(Array.from({length: Number(count)}, (_, index) => speak(index)))
process.stdout.write('quiet\n')
process.stdin.resume()
await once(process.stdin, 'end')
process.exit(0)
