import {expect} from 'chai'
import fc from 'fast-check'
import {execFileSync} from 'node:child_process'
import {createServer, connect, isIPv6, type AddressInfo} from 'node:net'
import {constants, release} from 'node:os'

import {sys} from '../../../src/lib/kernel/libc.js'
import {AF_INET, AF_INET6} from '../../../src/lib/kernel/socket-constants.js'
import {familyOf, readSockaddr, socketAddress, writeSockaddr} from '../../../src/lib/kernel/sockaddr.js'
import {readTcpInfo, tcpInfo} from '../../../src/lib/kernel/tcp-info.js'
import {listenOn, setRtoMin, startConnect, takeSocketError, tcpSocket} from '../../../src/lib/kernel/tcp-socket.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'

describe('sockaddr', () => {
  it('reads back what it wrote, in both families', () => {
    const memory = Buffer.alloc(28, 0xff)
    const address = Buffer.alloc(16)
    const ipv6 = fc.ipV6().filter((text) => isIPv6(text) && !text.includes('.'))
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), ipv6), fc.integer({min: 1, max: 65_535}), (text, port) => {
        const bytes = addressBytes(text)
        const length = writeSockaddr(memory, bytes, 0, port)
        expect(length).to.equal(familyOf(bytes) === AF_INET ? 16 : 28)
        expect(readSockaddr(memory, address, 0)).to.equal(port)
        expect(address.equals(bytes)).to.equal(true)
      }),
    )
    expect(familyOf(addressBytes('::1'))).to.equal(AF_INET6)
  })
})

describe('TCP sockets through libc', () => {
  it('listen where Node connects, and say when they cannot', async () => {
    for (const address of ['127.0.0.1', '::1']) {
      const taken = createServer()
      await new Promise<void>((resolve) => taken.listen(0, address, resolve))
      const {port} = taken.address() as AddressInfo
      const target = socketAddress({address, port})
      expect(listenOn(target, {reusePort: false, backlog: 8})).to.equal(-constants.errno.EADDRINUSE)
      await new Promise((resolve) => taken.close(resolve))
      const fd = listenOn(target, {reusePort: false, backlog: 8})
      expect(fd).to.be.greaterThan(2)
      const client = connect(port, address)
      await new Promise<void>((resolve) => client.once('connect', resolve))
      client.destroy()
      sys.close(fd)
      const refused = tcpSocket(target.family)
      const error = startConnect(refused, target) || takeSocketError(refused)
      expect(error).to.equal(constants.errno.ECONNREFUSED)
      sys.close(refused)
    }
  })

  it('tell what the peer has acknowledged: the SYN counts one', async () => {
    const server = createServer((socket) => socket.resume())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const {port} = server.address() as AddressInfo
    const fd = tcpSocket(AF_INET)
    expect(startConnect(fd, socketAddress({address: '127.0.0.1', port}))).to.equal(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(readTcpInfo(fd)).to.equal(true)
    expect(tcpInfo.bytesAcked).to.equal(1)
    const message = socketAddress({address: '1.2.3.4', port: 5})
    expect(sys.send(fd, message.at, message.length, 0)).to.equal(message.length)
    await new Promise((resolve) => setTimeout(resolve, 60))
    readTcpInfo(fd)
    expect(tcpInfo.bytesAcked).to.equal(1 + message.length)
    expect(tcpInfo.rttMs).to.be.within(0, 50)
    sys.close(fd)
    expect(readTcpInfo(fd)).to.equal(false)
    server.close()
  })

  it('repeat what was lost after the time that was asked for, where the kernel lets them', async () => {
    const server = createServer((socket) => socket.resume())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const {port} = server.address() as AddressInfo
    const fd = tcpSocket(AF_INET)
    const [major, minor] = release().split('.').map(Number)
    const known = major > 6 || (major === 6 && minor >= 15)
    expect(setRtoMin(fd, 50_000)).to.equal(known)
    expect(startConnect(fd, socketAddress({address: '127.0.0.1', port}))).to.equal(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const rto = /\brto:(\d+)/.exec(execFileSync('ss', ['-Htin', 'dport', '=', `:${port}`], {encoding: 'utf8'}))
    // Above it stands the round trip, rounded up to ticks of the kernel.
    if (known) expect(Number(rto![1])).to.be.within(50, 70)
    else expect(Number(rto![1])).to.be.at.least(200)
    sys.close(fd)
    server.close()
  })
})
