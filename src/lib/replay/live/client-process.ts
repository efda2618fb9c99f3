/**
 * Entry of a process: the client of conversations that are played. Reads one {@link PlayOrder} a line, starts it at once,
 * and writes one {@link ClientAnswer} a line when it is over.
 */
import {readFileSync} from 'node:fs'
import {connect} from 'node:net'
import {constants, setPriority} from 'node:os'
import {hrtime, stdin, stdout} from 'node:process'
import {createInterface} from 'node:readline'

import type {ClientAnswer, PlayOrder} from './orders.js'
import {Speaker} from './speaker.js'

function play({play, turns, own, timeoutMs, address, port}: PlayOrder): void {
  const bytes = readFileSync(own)
  const started = hrtime.bigint()
  let connected: bigint | null = null
  const socket = connect({host: address, port, allowHalfOpen: true})
  const speaker = new Speaker(socket, 'client', turns, bytes, (report) => {
    clearTimeout(timer)
    const answer: ClientAnswer = {
      play,
      startedNs: started.toString(),
      connectedNs: connected?.toString() ?? null,
      ...report,
    }
    stdout.write(JSON.stringify(answer) + '\n')
  })
  const timer = setTimeout(() => speaker.abort(`not over after ${timeoutMs} ms`), timeoutMs)
  socket.on('connect', () => {
    connected = hrtime.bigint()
    speaker.begin()
  })
}

setPriority(constants.priority.PRIORITY_HIGHEST) // what measures must not wait for what is measured
for await (const line of createInterface({input: stdin})) play(JSON.parse(line) as PlayOrder)
