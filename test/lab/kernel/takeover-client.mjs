// The client of takeover tests, run as a whole process in its host. One JSON object a line in, one a line out.
//   {"do": "connect", address, port, receiveBuffer?}   → {"done": "connect"}
//   {"do": "send", from, to, end?}     bytes of its stream, paused as the socket wants; end: then half-close
//   {"do": "read", on}                 whether it reads
//   {"do": "result", bytes}            waits for so many bytes and, with end: true, the end → {sha256, bytes, error, maxGapMs}
import {connect} from 'node:net'
import {createInterface} from 'node:readline'

import {sha256, stream} from './takeover-streams.mjs'

const SENT = stream('client')
let socket
let state

const say = (object) => console.log(JSON.stringify(object))

const commands = {
  connect({address, port}) {
    state = {chunks: [], bytes: 0, ended: false, error: null, last: 0, maxGapMs: 0, wake() {}}
    socket = connect({host: address, port, allowHalfOpen: true, noDelay: true}, () => say({done: 'connect'}))
    const mine = state
    socket.on('data', (chunk) => {
      const now = performance.now()
      if (mine.last > 0) mine.maxGapMs = Math.max(mine.maxGapMs, now - mine.last)
      mine.last = now
      mine.chunks.push(chunk)
      mine.bytes += chunk.length
      mine.wake()
    })
    socket.on('end', () => {
      mine.ended = true
      mine.wake()
    })
    socket.on('error', (error) => {
      mine.error = error.code
      mine.wake()
    })
  },
  send({from, to, end}) {
    socket.write(SENT.subarray(from, to))
    if (end) socket.end()
    say({done: 'send'})
  },
  read({on}) {
    if (on) socket.resume()
    else socket.pause()
    say({done: 'read'})
  },
  result({bytes, end}) {
    const mine = state
    const finish = () => {
      if (mine.error === null && (mine.bytes < bytes || (end && !mine.ended))) return
      mine.wake = () => {}
      const all = Buffer.concat(mine.chunks)
      say({
        done: 'result',
        bytes: all.length,
        sha256: sha256(all),
        ended: mine.ended,
        error: mine.error,
        maxGapMs: mine.maxGapMs,
      })
    }

    mine.wake = finish
    finish()
  },
  close() {
    socket.destroy()
    say({done: 'close'})
  },
}

createInterface({input: process.stdin}).on('line', (line) => {
  const command = JSON.parse(line)
  commands[command.do](command)
})
say({done: 'start'})
