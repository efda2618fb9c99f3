import {once} from 'node:events'
import {createServer, type AddressInfo, type Socket} from 'node:net'

import {AF_INET} from '../../../src/lib/kernel/socket-constants.js'
import {socketAddress} from '../../../src/lib/kernel/sockaddr.js'
import {startConnect, tcpSocket} from '../../../src/lib/kernel/tcp-socket.js'

export interface ConnectedPair {
  readonly node: Socket
  /** The other end, non-blocking. */
  readonly fd: number
  /** The next so many bytes that the Node end receives. */
  read(length: number): Promise<Buffer>
}

/** A TCP connection over loopback: one end is Node's, the other a descriptor. */
export async function connectedPair(): Promise<ConnectedPair> {
  const server = createServer({allowHalfOpen: true})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  const fd = tcpSocket(AF_INET)
  startConnect(fd, socketAddress({address: '127.0.0.1', port}))
  const [node] = (await once(server, 'connection')) as [Socket]
  server.close()
  node.setNoDelay(true)
  let kept = Buffer.alloc(0)
  node.on('data', (bytes: Buffer) => {
    kept = Buffer.concat([kept, bytes])
  })
  node.on('error', () => {})
  return {
    node,
    fd,
    async read(length) {
      while (kept.length < length) await once(node, 'data')
      const taken = kept.subarray(0, length)
      kept = kept.subarray(length)
      return taken
    },
  }
}
