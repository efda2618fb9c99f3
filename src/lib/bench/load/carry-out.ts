import {socketAddress, type SocketAddress} from '../../kernel/sockaddr.js'
import {EpollLoop} from '../../relay/epoll-loop.js'
import {formatEndpoint, type Endpoint} from '../../wire/endpoint.js'
import {BulkClient} from './bulk-client.js'
import {ExchangeClient} from './exchange-client.js'
import {GRACE_MS, type LoadOrder, type LoadOutcome} from './orders.js'
import {Tally} from './tally.js'
import {TransferClient} from './transfer-client.js'

/** Connections that are opened at a time when many are wanted. */
const OPENING_AT_A_TIME = 32
const LONGEST_TURN_MS = 50
/** Of an exchange that only opens a connection. */
const OPENING_BYTES = 100

/** What a load client does, one order after the other; each blocks until it is done. */
export class Load {
  private readonly loop = new EpollLoop()
  private readonly addresses = new Map<string, SocketAddress>()
  private held: ExchangeClient[] = []

  carryOut(order: LoadOrder): LoadOutcome {
    this.loop.refreshClock()
    switch (order.do) {
      case 'bulk':
        return this.bulk(order)
      case 'transfer':
        return this.transfer(order)
      case 'exchange':
        return order.fresh ? this.freshExchanges(order) : this.keptExchanges(order)
      case 'hold':
        return this.hold(order)
      case 'release':
        return this.release()
    }
  }

  private bulk({direction, streams, ms, ...target}: LoadOrder & {do: 'bulk'}): LoadOutcome {
    const tally = new Tally()
    const start = this.loop.now
    let open = streams
    const ended = (): void => {
      open--
    }

    const to = this.addressOf(target)
    const clients = Array.from(
      {length: streams},
      () => new BulkClient(this.loop, to, direction, ms, start + ms, tally, ended),
    )
    for (const client of clients) client.start()
    this.turnWhile(() => open > 0, start + ms + GRACE_MS)
    const end = performance.now()
    for (const client of clients) client.giveUp(`a stream did not end within ${GRACE_MS / 1000} s of its time`)
    return tally.outcome(end - start)
  }

  private transfer({direction, bytes, ms, ...target}: LoadOrder & {do: 'transfer'}): LoadOutcome {
    const tally = new Tally()
    const client = new TransferClient(this.loop, this.addressOf(target), direction, bytes)
    client.start()
    this.turnWhile(() => client.endedMs === null, client.startedAt + ms)
    client.giveUp(`${client.moved} of ${bytes} bytes in ${ms / 1000} s`)
    if (client.failure === null) tally.done++
    else tally.fail(client.failure)
    tally.bytes = client.moved
    const {firstByteMs} = client
    return {...tally.outcome(client.endedMs!), ...(firstByteMs !== null && {firstByteMs})}
  }

  private freshExchanges({connections, bytes, ms, ...place}: LoadOrder & {do: 'exchange'}): LoadOutcome {
    const tally = new Tally()
    const start = this.loop.now
    const endAt = start + ms
    let open = connections
    const finished = (client: ExchangeClient, failure: string | null): void => {
      if (failure === null) tally.done++
      else tally.fail(failure)
      if (this.loop.now < endAt) this.loop.soon(client)
      else open--
    }

    const exchanges = {target: this.addressOf(place), bytes, fresh: true, finished}
    const clients = Array.from({length: connections}, () => new ExchangeClient(this.loop, exchanges))
    for (const client of clients) client.open()
    this.turnWhile(() => open > 0, endAt + GRACE_MS)
    const end = performance.now()
    this.closeAll(clients, open, tally)
    tally.bytes = tally.done * bytes * 2
    return tally.outcome(end - start)
  }

  private keptExchanges({connections, inFlight, bytes, ms, ...place}: LoadOrder & {do: 'exchange'}): LoadOutcome {
    const tally = new Tally()
    const {clients, exchanges} = this.openAll(this.addressOf(place), connections, bytes, ms, tally)
    const start = this.loop.now
    const endAt = start + ms
    const idle = [...clients]
    let asking = 0
    const askNext = (): void => {
      const next = idle.shift()
      if (next === undefined || this.loop.now >= endAt) return
      asking++
      next.ask()
    }

    exchanges.finished = (client, failure) => {
      asking--
      if (failure === null) {
        tally.done++
        tally.exchangeMs.push(performance.now() - client.askedAt)
        idle.push(client)
      } else tally.fail(failure)
      askNext()
    }

    for (let i = 0; i < inFlight; i++) askNext()
    this.turnWhile(() => asking > 0, endAt + GRACE_MS)
    const end = performance.now()
    this.closeAll(clients, asking, tally)
    tally.bytes = tally.done * bytes * 2
    return tally.outcome(end - start)
  }

  private hold({connections, ms, ...place}: LoadOrder & {do: 'hold'}): LoadOutcome {
    const tally = new Tally()
    const start = this.loop.now
    const {clients, exchanges} = this.openAll(this.addressOf(place), connections, OPENING_BYTES, ms, tally)
    exchanges.finished = () => {} // one that the other side closes shows when it is counted at the end
    this.held.push(...clients)
    tally.done = this.held.filter(({fd}) => fd >= 0).length
    return tally.outcome(performance.now() - start)
  }

  private release(): LoadOutcome {
    this.turnWhile(() => false, 0)
    const tally = new Tally()
    tally.done = this.held.filter(({fd}) => fd >= 0).length
    for (const client of this.held) client.close()
    this.held = []
    return tally.outcome(0)
  }

  /** Opens so many connections, each with one exchange that is not counted, in so many ms at most. */
  private openAll(target: SocketAddress, connections: number, bytes: number, ms: number, tally: Tally) {
    const start = this.loop.now
    const open: ExchangeClient[] = []
    let opening = 0
    let left = connections
    const openNext = (): void => {
      if (left === 0) return
      left--
      opening++
      this.loop.soon(new ExchangeClient(this.loop, exchanges))
    }

    const exchanges = {
      target,
      bytes,
      fresh: false,
      finished(client: ExchangeClient, failure: string | null): void {
        opening--
        if (failure === null) open.push(client)
        else tally.fail(failure)
        openNext()
      },
    }
    for (let i = 0; i < OPENING_AT_A_TIME; i++) openNext()
    this.turnWhile(() => opening > 0, start + ms + GRACE_MS)
    if (opening + left > 0) tally.fail(`${opening + left} of ${connections} connections were not open in time`)
    return {clients: open, exchanges}
  }

  private closeAll(clients: readonly ExchangeClient[], waiting: number, tally: Tally): void {
    if (waiting > 0) tally.fail(`${waiting} exchanges had no answer within ${GRACE_MS / 1000} s of their time`)
    for (const client of clients) client.close()
  }

  private turnWhile(goesOn: () => boolean, deadline: number): void {
    do this.loop.turn(goesOn() ? LONGEST_TURN_MS : 0)
    while (goesOn() && this.loop.now < deadline)
  }

  private addressOf({address, port}: Endpoint): SocketAddress {
    const text = formatEndpoint({address, port})
    const known = this.addresses.get(text) ?? socketAddress({address, port})
    this.addresses.set(text, known)
    return known
  }
}
