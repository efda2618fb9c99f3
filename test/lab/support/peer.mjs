// A TCP peer for lab tests, run as a whole process inside a host.
//   peer.mjs serve PORT [banner]        echoes; with `banner` it speaks first. Prints "ready".
//   peer.mjs connect JSON               {address, port, count, parallel, bytes, banner, timeoutMs, localPort, gapMs}
// The client prints one JSON object: {ok, errors: {code: n}, connectMs: [], firstByteMs: []}, times in order of end.
import {createHash, randomBytes} from 'node:crypto'
import {createServer, connect} from 'node:net'

const [mode, argument, extra] = process.argv.slice(2)
const BANNER = '220 lab.test ready\r\n'

if (mode === 'serve') {
  const server = createServer({allowHalfOpen: true}, (socket) => {
    socket.on('error', () => {})
    if (extra === 'banner') socket.write(BANNER)
    socket.pipe(socket)
  })
  server.listen({port: Number(argument), host: '::', backlog: 1024}, () => console.log('ready'))
} else {
  const options = {
    count: 1,
    parallel: 1,
    bytes: 100,
    banner: false,
    timeoutMs: 15_000,
    gapMs: 0,
    ...JSON.parse(argument),
  }
  const result = {ok: 0, errors: {}, connectMs: [], firstByteMs: []}
  let started = 0
  const next = async () => {
    while (started < options.count) {
      started++
      try {
        await once()
        result.ok++
      } catch (error) {
        const code = error.code ?? error.message
        result.errors[code] = (result.errors[code] ?? 0) + 1
      }

      if (options.gapMs > 0) await new Promise((resolve) => setTimeout(resolve, options.gapMs))
    }
  }

  const once = () =>
    new Promise((resolve, reject) => {
      const begin = performance.now()
      const payload = randomBytes(options.bytes)
      const wanted = createHash('sha256')
        .update(options.banner ? BANNER : '')
        .update(payload)
        .digest('hex')
      const seen = createHash('sha256')
      let first = 0
      const socket = connect({
        host: options.address,
        port: options.port,
        localPort: options.localPort,
        allowHalfOpen: true,
        noDelay: true,
      })
      socket.setTimeout(options.timeoutMs, () => socket.destroy(new Error('TIMEOUT')))
      socket.once('connect', () => {
        result.connectMs.push(performance.now() - begin)
        if (!options.banner) socket.end(payload)
      })
      socket.on('data', (chunk) => {
        if (first === 0) {
          first = performance.now() - begin
          if (options.banner) socket.end(payload)
        }

        seen.update(chunk)
      })
      socket.once('end', () => {
        result.firstByteMs.push(first)
        if (seen.digest('hex') === wanted) resolve()
        else reject(new Error('CORRUPTED'))
        socket.destroy()
      })
      socket.once('error', reject)
    })

  await Promise.all(Array.from({length: options.parallel}, next))
  console.log(JSON.stringify(result))
}
