import {expect} from 'chai'
import {once} from 'node:events'
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net'

import type {OverlayError} from '../../../src/lib/errors/index.js'
import {parseKeys} from '../../../src/lib/keys/key-file.js'
import {EchoClient} from '../../../src/lib/probe/echo-client.js'
import {
  ECHO_PURPOSE,
  EchoDirection,
  EchoType,
  REQUEST_LENGTH,
  verifyRequest,
  writeGreeting,
} from '../../../src/lib/wire/echo-frame.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'
import {HmacSha256} from '../../../src/lib/wire/hmac-sha256.js'

const ring = parseKeys(`1 ${'11'.repeat(32)}`, 'test')
const hmac = new HmacSha256(ring.current.derive(ECHO_PURPOSE, 32))
const challenge = Buffer.alloc(16, 9)

/** Answers a good request with these frames, a byte at a time where `slowly`. */
const speak =
  (frames: [number, Buffer][], slowly = false) =>
  async (socket: Socket): Promise<void> => {
    const greeting = writeGreeting(challenge)
    socket.write(greeting)
    const [request] = (await once(socket, 'data')) as [Buffer]
    expect(request).to.have.lengthOf(REQUEST_LENGTH)
    const random = verifyRequest(request, hmac, challenge)!
    const direction = new EchoDirection('gateway', hmac, Buffer.concat([challenge, random]))
    const bytes = Buffer.concat(frames.map(([type, body]) => direction.write(type, body)))
    if (slowly) {
      for (const byte of bytes) socket.write(Buffer.from([byte]))
    } else {
      socket.write(bytes)
    }
  }

describe('echo client', () => {
  let server: Server | null = null

  afterEach(() => server?.close())

  const open = async (behave: (socket: Socket) => unknown): Promise<EchoClient | OverlayError> => {
    server = createServer((socket) => {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      behave(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const {port} = server.address() as AddressInfo
    return EchoClient.open({address: '127.0.0.1', port}, '127.0.0.1', ring).catch((error: OverlayError) => error)
  }

  for (const [what, behave, cause] of [
    [
      'another service',
      (socket: Socket) => socket.write('220 mail.example.net ESMTP ready\r\n'),
      'it is no packet echo',
    ],
    ['one that hangs up', (socket: Socket) => socket.end(), 'it closed the connection: does the key fit?'],
    [
      'one that does not hold the key',
      (socket: Socket) => {
        socket.write(writeGreeting(challenge))
        socket.once('data', () => socket.write(Buffer.alloc(60, 0)))
      },
      'it does not hold our key',
    ],
  ] as const) {
    it(`${what}: UNREACHABLE, and why`, async () => {
      const error = (await open(behave)) as OverlayError
      expect(error.code).to.equal('UNREACHABLE')
      expect(error.toJson().cause).to.equal(cause)
    })
  }

  it('takes frames in whatever pieces they come, and passes over what it does not know', async () => {
    const withheld = Buffer.from([0, 0, 1, 2])
    const frames: [number, Buffer][] = [
      [EchoType.Ready, addressBytes('2001:db8::7')],
      [99, Buffer.from('later')],
      [EchoType.Arrived, Buffer.alloc(60)],
      [EchoType.Withheld, withheld],
      [EchoType.Withheld, withheld],
    ]
    const client = (await open(speak(frames, true))) as EchoClient
    expect(client.seenAs).to.equal('2001:db8::7')
    expect(await client.flush(20), 'nobody answers').to.equal(false)
    expect(client.withheld).to.equal(2 * 0x0102)
    expect(client.packets, 'zeros are no packet').to.deep.equal([])
    client.close()
  })
})
