/**
 * Entry of a process: the origin of conversations that are played. `origin-process ADDRESS PORT COUNT` listens on COUNT
 * ports. Each conversation is announced by a {@link PlayOrder} on standard input and then expected on one port, so no byte
 * has to be added to it to tell which it is. Writes {@link OriginAnswer} lines, the first one `ready`.
 */
import {readFileSync} from 'node:fs'
import {createServer, type Socket} from 'node:net'
import {constants, setPriority} from 'node:os'
import {argv, hrtime, stdin, stdout} from 'node:process'
import {createInterface} from 'node:readline'

import type {OriginAnswer, PlayOrder} from './orders.js'
import {Speaker, type SpeakerReport} from './speaker.js'

interface Armed {
  order: PlayOrder
  own: Buffer
  timer: NodeJS.Timeout
}

const [address, firstPort, count] = [argv[2], Number(argv[3]), Number(argv[4])]
/** What is expected next, by port. */
const armed = new Map<number, Armed>()

function say(answer: OriginAnswer): void {
  stdout.write(JSON.stringify(answer) + '\n')
}

/** Nothing was received, for a conversation that nobody came to. */
const NOBODY: SpeakerReport = {
  firstReceivedNs: null,
  lastReceivedNs: null,
  received: 0,
  sha256: '',
  error: 'no connection came',
}

function arm(order: PlayOrder): void {
  const {play, port, timeoutMs, own} = order
  const timer = setTimeout(() => {
    armed.delete(port)
    say({play, armed: false, acceptedNs: null, ...NOBODY})
  }, timeoutMs)
  armed.set(port, {order, own: readFileSync(own), timer})
  say({play, armed: true})
}

function accept(socket: Socket, port: number): void {
  const accepted = hrtime.bigint()
  const expected = armed.get(port)
  armed.delete(port)
  if (!expected) {
    socket.on('error', () => {}) // it is unwanted either way
    socket.destroy()
    say({play: null, port})
    return
  }

  const {order, own, timer} = expected
  clearTimeout(timer)
  const {play, turns, timeoutMs} = order
  const speaker = new Speaker(socket, 'server', turns, own, (report) => {
    clearTimeout(late)
    say({play, armed: false, acceptedNs: accepted.toString(), ...report})
  })
  const late = setTimeout(() => speaker.abort(`not over after ${timeoutMs} ms`), timeoutMs)
  speaker.begin()
}

setPriority(constants.priority.PRIORITY_HIGHEST) // what measures must not wait for what is measured
for (let port = firstPort; port < firstPort + count; port++) {
  const server = createServer({allowHalfOpen: true}, (socket) => accept(socket, port))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({host: address, port}, resolve)
  })
}

stdout.write('ready\n')
for await (const line of createInterface({input: stdin})) arm(JSON.parse(line) as PlayOrder)
process.exit(0) // whoever gives orders is gone
