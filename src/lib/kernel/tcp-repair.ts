import {readFileSync, writeFileSync} from 'node:fs'

import {addressBytes, formatAddress, formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {
  hasReceivedFin,
  hasSentFin,
  monotonicMs,
  timestampToRestore,
  windowToRestore,
  type ConnectionRecord,
  type RepairWindow,
} from './connection-record.js'
import {EADDRNOTAVAIL, systemCallError} from './errno.js'
import {allocate, errno, sys} from './libc.js'
import {familyOf, readSockaddr, SOCKADDR_LENGTH, writeSockaddr} from './sockaddr.js'
import {AF_INET6, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET, SO_REUSEADDR, TCP_INFO} from './socket-constants.js'
import {setCongestionControl, setMark, tcpSocket, type CongestionControl} from './tcp-socket.js'

/*
 * A TCP connection taken out of one kernel and put into another, by TCP_REPAIR (CAP_NET_ADMIN). In the order of use:
 *
 *   readConnection      on the host that has the connection, any number of times while it lives
 *   restoreConnection   on the host that carries it on: the socket exists, and says nothing
 *   leaveRepair         it speaks
 *
 * and closeSilently for the socket that has been replaced.
 *
 * What must never happen:
 * - Two hosts speak for the connection: the old one's packets must have stopped (address gone, interface down or the
 *   gate shut) before leaveRepair. A socket that its process leaves behind sends FIN or RST when it is closed.
 * - A packet of the peer reaches the new host between its getting the address and restoreConnection: it finds no
 *   socket and is answered with RST. So: add the address, restore every connection, and only then announce it.
 * - Bytes are written, read or the socket closed by way of Node between restoreConnection and leaveRepair: write
 *   fails with EINVAL, read gives EPERM, and close drops the connection without a word.
 * - The receive sequence number is higher than what the peer was told in an ACK less what is held: bytes are lost. It
 *   may be lower; the peer then sends again, unless it was told that they came.
 * - The send sequence number is higher than what the peer has acknowledged: a hole that nobody fills. It is to be the
 *   lowest that is known as acknowledged, and the bytes from there on are written again, first of all.
 *
 * A peer that acknowledges more than was sent since leaveRepair (the old host had sent it) is not believed until this
 * host has sent as much, and what it says in such segments is lost (tcp_ack, SKB_DROP_REASON_TCP_ACK_UNSENT_DATA). Up
 * to the initial congestion window, 10 segments, the first write cures it; beyond it the segments have to be changed
 * on their way in.
 *
 * Not carried over, since the kernel has no call for it: ECN (the peer's CE marks go unanswered), RTT, congestion
 * window, keepalive timers, urgent data.
 */

const TCP_MAXSEG = 2
const TCP_REPAIR = 19
const TCP_REPAIR_QUEUE = 20
const TCP_QUEUE_SEQ = 21
const TCP_REPAIR_OPTIONS = 22
const TCP_TIMESTAMP = 24
const TCP_REPAIR_WINDOW = 29

const REPAIR_ON = 1
/** Leaves repair with a window probe, which tells the peer that somebody is there. */
const REPAIR_OFF = 0
/** Leaves repair without a packet (Linux 4.19). */
const REPAIR_OFF_NO_PROBE = -1

const NO_QUEUE = 0
const RECEIVE_QUEUE = 1
const SEND_QUEUE = 2

/** Bits of tcpi_options. */
const OPTION_TIMESTAMPS = 1
const OPTION_SACK = 2
const OPTION_WINDOW_SCALE = 4

/** Kinds of RFC 9293 and RFC 7323, as struct tcp_repair_opt has them. */
const KIND_MSS = 2
const KIND_WINDOW_SCALE = 3
const KIND_SACK_PERMITTED = 4
const KIND_TIMESTAMPS = 8
const REPAIR_OPTION_BYTES = 8

const SIOCOUTQ = 0x5411
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IPPROTO_IP = 0
const IP_FREEBIND = 15
const IPV6_FREEBIND = 78

/** As far as tcpi_snd_wscale and tcpi_rcv_wscale. */
const TCP_INFO_HEAD = 8
const WINDOW_BYTES = 20
/** Readings that a FIN may spoil one after the other: a connection changes its state no more often. */
const READ_ATTEMPTS = 5
/** MAX_TCP_WINDOW: what setsockopt takes. */
const LARGEST_TCP_MAXSEG = 32_767

/** Room for what the old host may have advertised: tcp_rmem's usual maximum is 6 MiB. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
const TIMESTAMP_MARGIN_MS = 50

const TW_REUSE = '/proc/sys/net/ipv4/tcp_tw_reuse'

const number = allocate(4)
const length = allocate(4)
const sockaddr = allocate(SOCKADDR_LENGTH)
const address = Buffer.alloc(16)
const info = allocate(TCP_INFO_HEAD)
const window = allocate(WINDOW_BYTES)
const repairOptions = allocate(4 * REPAIR_OPTION_BYTES)

export interface RestoreOptions {
  /** Bytes (SO_RCVBUFFORCE; the kernel doubles it). Default 8 MiB: no less than the window that was advertised. */
  receiveBufferBytes?: number
  /** Bytes (SO_SNDBUFFORCE; the kernel doubles it). Default: what the kernel tunes by itself. */
  sendBufferBytes?: number
  congestionControl?: CongestionControl
  /** SO_MARK. */
  mark?: number
  /** The local address need not be on this host yet. A route to the peer must be there all the same. */
  freebind?: boolean
  /** Now, on the clock of `readAtMs`; default this host's CLOCK_MONOTONIC. */
  nowMs?: number
  /** Added to the timestamp beyond the time that has passed, ms; default 50. */
  timestampMarginMs?: number
}

/**
 * Reads a live connection and leaves it as it was: no packet is sent, and data goes on being received and sent. Under
 * traffic the numbers are each right for an instant of this call, not all for the same one; a reading from which a
 * connection is restored without other knowledge wants its packets stopped before.
 *
 * @param fd a connected TCP socket
 * @throws OverlayError SYSTEM_CALL_FAILED naming the step (ENOTCONN: it is not, or no longer, connected),
 * PRIVILEGE_MISSING without CAP_NET_ADMIN
 */
export function readConnection(fd: number): ConnectionRecord {
  const local = nameOf(fd, 'getsockname')
  const remote = nameOf(fd, 'getpeername')
  // TCP_REPAIR sets sk_reuse, and its end clears it: the port's next listener would find it taken.
  const reuse = getOption(fd, SOL_SOCKET, SO_REUSEADDR, 'SO_REUSEADDR')
  let state = readState(fd)
  for (let attempt = 1; ; attempt++) {
    const sequences = readSequences(fd, reuse)
    const after = readState(fd)
    // A FIN that came between state and sequence numbers would be counted as a byte, or the other way round.
    if (after !== state && attempt < READ_ATTEMPTS) {
      state = after
      continue
    }

    const timestamp = getOption(fd, IPPROTO_TCP, TCP_TIMESTAMP, 'TCP_TIMESTAMP')
    const readAtMs = monotonicMs()
    const finSent = hasSentFin(state)
    const finReceived = hasReceivedFin(state)
    const sendNext = (sequences.writeSequence - Number(finSent)) >>> 0
    const unacknowledged = Math.max(0, sequences.queued - Number(finSent))
    const options = info.bytes[5]
    return {
      local,
      remote,
      state,
      sendNext,
      sendUnacknowledged: (sendNext - unacknowledged) >>> 0,
      receiveNext: (sequences.receiveNext - Number(finReceived)) >>> 0,
      finSent,
      finReceived,
      maximumSegmentSize: sequences.maximumSegmentSize,
      windowScaling: (options & OPTION_WINDOW_SCALE) !== 0,
      sendScale: info.bytes[6] & 15,
      receiveScale: info.bytes[6] >> 4,
      sack: (options & OPTION_SACK) !== 0,
      timestamps: (options & OPTION_TIMESTAMPS) !== 0,
      timestamp,
      readAtMs,
      window: sequences.window,
    }
  }
}

/**
 * Makes a socket of a record, in repair: nothing is sent before {@link leaveRepair}. It starts at `record.sendNext` and
 * `record.receiveNext`; put there what is known to be acknowledged and held (`{...record, sendNext: …}`). A FIN on
 * either side is not restored: our own is sent anew by shutdown() after the pending bytes, with the same number; the
 * peer's is fed in by `loopInFin` after leaveRepair.
 *
 * The local address is on this host (or `freebind`), and the port may be held by a listener.
 *
 * @returns a non-blocking descriptor, for `new net.Socket({fd, allowHalfOpen: true})` after leaveRepair
 * @throws OverlayError SYSTEM_CALL_FAILED naming the step, PRIVILEGE_MISSING without CAP_NET_ADMIN; the socket is gone
 */
export function restoreConnection(record: ConnectionRecord, options: RestoreOptions = {}): number {
  const local = addressBytes(record.local.address)
  const fd = tcpSocket(familyOf(local))
  if (fd < 0) throw systemCallError('socket for a restored connection')
  try {
    setOption(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON, 'TCP_REPAIR on')
    // Not SO_REUSEADDR from here on: it would undo SK_FORCE_REUSE, by which bind() passes our own listener.
    if (options.freebind) allowForeignAddress(fd, familyOf(local))
    const receiveBuffer = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES
    setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer, 'SO_RCVBUFFORCE')
    if (options.sendBufferBytes) setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, options.sendBufferBytes, 'SO_SNDBUFFORCE')
    if (options.mark !== undefined && !setMark(fd, options.mark)) throw systemCallError(`SO_MARK ${options.mark}`)
    const control = options.congestionControl
    if (control && !setCongestionControl(fd, control)) throw systemCallError(`TCP_CONGESTION ${control.name}`)
    // Sequence numbers are taken in state CLOSE alone, and connect() keeps what it finds.
    setQueueSequence(fd, SEND_QUEUE, record.sendNext, 'send')
    setQueueSequence(fd, RECEIVE_QUEUE, record.receiveNext, 'receive')
    setOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, NO_QUEUE, 'TCP_REPAIR_QUEUE none')
    // connect() starts from an MSS of 536, and what TCP_REPAIR_OPTIONS sets later is not looked at before the path MTU
    // changes (tcp_current_mss): without this the connection would send segments of 536 bytes from now on.
    const segment = Math.min(record.maximumSegmentSize, LARGEST_TCP_MAXSEG)
    setOption(fd, IPPROTO_TCP, TCP_MAXSEG, segment, `TCP_MAXSEG ${segment}`)
    attach(fd, 'bind', record.local, local)
    connectRestored(fd, record.remote)
    // These want state ESTABLISHED; before leaving repair, since the probe carries timestamp and window.
    setRepairOptions(fd, record)
    if (record.timestamps) {
      const {nowMs = monotonicMs(), timestampMarginMs = TIMESTAMP_MARGIN_MS} = options
      const timestamp = timestampToRestore(record, nowMs, timestampMarginMs)
      setOption(fd, IPPROTO_TCP, TCP_TIMESTAMP, timestamp, `TCP_TIMESTAMP ${timestamp}`)
    }

    setWindow(fd, windowToRestore(record))
    return fd
  } catch (error) {
    sys.close(fd) // in repair: without a packet
    throw error
  }
}

/**
 * The restored socket begins to speak, with a window probe. The address must be this host's, and announced.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED
 */
export function leaveRepair(fd: number): void {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF, 'TCP_REPAIR off')
  // Its end leaves sk_reuse cleared: without this no listener could be started on the port while the connection lives.
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, 'SO_REUSEADDR')
}

/**
 * Closes a connection without FIN or RST, whatever is in its queues: another host carries it on, or it was restored
 * and nobody wants it.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED; then the descriptor is still open, since to close it would speak
 */
export function closeSilently(fd: number): void {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON, 'TCP_REPAIR on')
  sys.close(fd)
}

interface Sequences {
  writeSequence: number
  receiveNext: number
  /** Bytes, and a FIN for one, between snd_una and write_seq. */
  queued: number
  maximumSegmentSize: number
  window: RepairWindow
}

function readSequences(fd: number, reuse: number): Sequences {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON, 'TCP_REPAIR on')
  try {
    const receiveNext = getQueueSequence(fd, RECEIVE_QUEUE, 'receive')
    const receiveWindow = getWindow(fd)
    const writeSequence = getQueueSequence(fd, SEND_QUEUE, 'send')
    if (sys.ioctl(fd, SIOCOUTQ, number.address) < 0) throw systemCallError('ioctl SIOCOUTQ')
    const queued = number.bytes.readInt32LE(0)
    // In repair this is the peer's MSS option; otherwise what fits a segment today.
    const maximumSegmentSize = getOption(fd, IPPROTO_TCP, TCP_MAXSEG, 'TCP_MAXSEG')
    return {writeSequence, receiveNext, queued, maximumSegmentSize, window: receiveWindow}
  } finally {
    setOption(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_PROBE, 'TCP_REPAIR off')
    if (reuse !== 0) setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, 'SO_REUSEADDR')
  }
}

/** Fills {@link info} up to the scales. */
function readState(fd: number): number {
  length.bytes.writeUInt32LE(TCP_INFO_HEAD, 0)
  if (sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.address, length.address) < 0) throw systemCallError('TCP_INFO')
  return info.bytes[0]
}

function nameOf(fd: number, call: 'getsockname' | 'getpeername'): Endpoint {
  length.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
  if (sys[call](fd, sockaddr.address, length.address) < 0) throw systemCallError(`${call} of socket ${fd}`)
  const port = readSockaddr(sockaddr.bytes, address, 0)
  return {address: formatAddress(address), port}
}

function attach(fd: number, call: 'bind' | 'connect', endpoint: Endpoint, bytes: Buffer): void {
  const size = writeSockaddr(sockaddr.bytes, bytes, 0, endpoint.port)
  if (sys[call](fd, sockaddr.address, size) < 0) {
    throw systemCallError(`${call} of a restored connection to ${formatEndpoint(endpoint)}`)
  }
}

/**
 * An earlier connection between the same ports may be in TIME-WAIT on this host: its sequence numbers are of no use to
 * anybody who knows this one. net.ipv4.tcp_tw_reuse lets connect() take its place, also for IPv6 (tcp_twsk_unique).
 */
function connectRestored(fd: number, remote: Endpoint): void {
  const bytes = addressBytes(remote.address)
  const size = writeSockaddr(sockaddr.bytes, bytes, 0, remote.port)
  if (sys.connect(fd, sockaddr.address, size) === 0) return
  const error = errno()
  if (error !== EADDRNOTAVAIL) throw systemCallError(`connect of a restored connection to ${formatEndpoint(remote)}`)
  const before = readFileSync(TW_REUSE, 'latin1')
  writeFileSync(TW_REUSE, '1')
  try {
    attach(fd, 'connect', remote, bytes)
  } finally {
    writeFileSync(TW_REUSE, before)
  }
}

function allowForeignAddress(fd: number, family: number): void {
  if (family === AF_INET6) setOption(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1, 'IPV6_FREEBIND')
  else setOption(fd, IPPROTO_IP, IP_FREEBIND, 1, 'IP_FREEBIND')
}

function setRepairOptions(fd: number, record: ConnectionRecord): void {
  let bytes = 0
  const add = (kind: number, value: number) => {
    repairOptions.bytes.writeUInt32LE(kind, bytes)
    repairOptions.bytes.writeUInt32LE(value, bytes + 4)
    bytes += REPAIR_OPTION_BYTES
  }

  add(KIND_MSS, record.maximumSegmentSize)
  if (record.windowScaling) add(KIND_WINDOW_SCALE, record.sendScale | (record.receiveScale << 16))
  if (record.sack) add(KIND_SACK_PERMITTED, 0)
  if (record.timestamps) add(KIND_TIMESTAMPS, 0)
  if (sys.setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, repairOptions.address, bytes) < 0) {
    throw systemCallError(`TCP_REPAIR_OPTIONS (MSS ${record.maximumSegmentSize})`)
  }
}

function getQueueSequence(fd: number, queue: number, name: string): number {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, `TCP_REPAIR_QUEUE ${name}`)
  const sequence = getOption(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, `TCP_QUEUE_SEQ ${name}`)
  // Back at once: as long as a queue is chosen, what the program writes goes into it and not on the wire.
  setOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, NO_QUEUE, 'TCP_REPAIR_QUEUE none')
  return sequence
}

function setQueueSequence(fd: number, queue: number, sequence: number, name: string): void {
  setOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, `TCP_REPAIR_QUEUE ${name}`)
  setOption(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, sequence, `TCP_QUEUE_SEQ ${name} ${sequence}`)
}

function getWindow(fd: number): RepairWindow {
  length.bytes.writeUInt32LE(WINDOW_BYTES, 0)
  if (sys.getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window.address, length.address) < 0) {
    throw systemCallError('TCP_REPAIR_WINDOW')
  }

  const [sendUpdate, sendWindow, maximumWindow, receiveWindow, receiveUpdate] = [0, 4, 8, 12, 16].map((at) =>
    window.bytes.readUInt32LE(at),
  )
  return {sendUpdate, sendWindow, maximumWindow, receiveWindow, receiveUpdate}
}

function setWindow(fd: number, value: RepairWindow): void {
  const {sendUpdate, sendWindow, maximumWindow, receiveWindow, receiveUpdate} = value
  window.bytes.writeUInt32LE(sendUpdate, 0)
  window.bytes.writeUInt32LE(sendWindow, 4)
  window.bytes.writeUInt32LE(maximumWindow, 8)
  window.bytes.writeUInt32LE(receiveWindow, 12)
  window.bytes.writeUInt32LE(receiveUpdate, 16)
  if (sys.setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window.address, WINDOW_BYTES) < 0) {
    throw systemCallError(`TCP_REPAIR_WINDOW ${JSON.stringify(value)}`)
  }
}

function getOption(fd: number, level: number, option: number, name: string): number {
  length.bytes.writeUInt32LE(4, 0)
  if (sys.getsockopt(fd, level, option, number.address, length.address) < 0) throw systemCallError(`reading ${name}`)
  return number.bytes.readUInt32LE(0)
}

function setOption(fd: number, level: number, option: number, value: number, name: string): void {
  number.bytes.writeUInt32LE(value >>> 0, 0)
  if (sys.setsockopt(fd, level, option, number.address, 4) < 0) throw systemCallError(name)
}
