import {setTimeout as sleep} from 'node:timers/promises'

import type {Endpoint} from '../wire/endpoint.js'
import type {ExchangeOrder, ExchangeOutcome} from './client-process.js'
import {CONTENDERS, tryStart} from './contenders.js'
import {MeasuringClient} from './measuring-client.js'
import {rotate} from './rotate.js'
import {Samples, floorOf} from './samples.js'
import type {HandshakeBench, PathName} from './schema.js'
import {Stage} from './stage.js'

export interface HandshakeBenchOptions {
  rttMs: HandshakeBench['rttMs']
  /** Bytes, ascending. */
  requestSizes: readonly number[]
  paths: readonly PathName[]
  /** Each round measures every path and size: once with fresh caches, then `repeats` times. */
  rounds: number
  repeats: number
  /** For every socket of every host. */
  congestionControl: string
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

const RESPONSE_BYTES = 100
const ORIGIN_PORT = 7000
const WARM_UP_MS = 10_000

/**
 * Measures how long a request takes to reach the origin, and its answer to come back, over each path in turn. Builds a lab
 * and removes it.
 *
 * @throws OverlayError of the lab, and INCONCLUSIVE when no path could be measured
 */
export async function benchHandshake(options: HandshakeBenchOptions): Promise<HandshakeBench> {
  const {rttMs, congestionControl, rounds, repeats} = options
  const progress = options.progress ?? (() => {})
  progress('building the lab')
  const stage = await Stage.open({
    congestionControl,
    links: {
      'client-edge': {rttMs: rttMs.clientEdge},
      'edge-gateway': {rttMs: rttMs.edgeGateway},
      'gateway-origin': {rttMs: rttMs.gatewayOrigin},
    },
  })
  try {
    const routes = await openRoutes(stage, options, progress)
    await measure(stage, routes, options, progress)
    return {
      rttMs,
      floorMs: floorOf(rttMs),
      congestionControl,
      rounds,
      repeats,
      responseBytes: RESPONSE_BYTES,
      paths: routes.map((route) => route.samples.result()),
    }
  } finally {
    progress('removing the lab')
    await stage.close()
  }
}

interface Route {
  samples: Samples
  /** Null when the path is skipped. */
  target: Endpoint | null
}

/** Starts every path's servers. A path whose servers do not start is skipped and says why. */
async function openRoutes(
  stage: Stage,
  {paths, requestSizes}: HandshakeBenchOptions,
  progress: (what: string) => void,
): Promise<Route[]> {
  const origin = {address: stage.address('origin', 'gateway-origin'), port: ORIGIN_PORT}
  await stage.serveOrigin(origin)
  const routes: Route[] = []
  for (const name of paths) {
    progress(`starting ${name}`)
    const route: Route = {samples: new Samples(name, requestSizes), target: null}
    routes.push(route)
    const started = await tryStart(CONTENDERS[name], stage, origin)
    if ('skipped' in started) route.samples.skip(started.skipped)
    else route.target = started.target
  }

  return routes
}

async function measure(
  stage: Stage,
  routes: Route[],
  options: HandshakeBenchOptions,
  progress: (what: string) => void,
): Promise<void> {
  const client = new MeasuringClient<ExchangeOrder, ExchangeOutcome>(
    stage.lab,
    new URL('client-process.js', import.meta.url),
  )
  const exchange = (target: Endpoint, requestBytes: number): Promise<ExchangeOutcome> =>
    client.carryOut({...target, requestBytes, responseBytes: RESPONSE_BYTES, timeoutMs: 10_000})

  const {clientEdge, edgeGateway, gatewayOrigin} = options.rttMs
  const quietMs = clientEdge + edgeGateway + gatewayOrigin + 20
  for (const route of routes) if (route.target) await warmUp(route.target, exchange)
  for (let round = 0; round < options.rounds; round++) {
    for (const requestBytes of options.requestSizes) {
      for (const {samples, target} of rotate(routes, round)) {
        if (!target) continue
        progress(`round ${round + 1} of ${options.rounds}: ${samples.name}, ${requestBytes} bytes`)
        // Sockets that still close would tell their kernels again what these are to forget.
        await sleep(quietMs)
        await stage.forgetTcpMetrics()
        CONTENDERS[samples.name].forget?.(stage)
        samples.add(requestBytes, 'first', await exchange(target, requestBytes))
        for (let repeat = 0; repeat < options.repeats; repeat++) {
          samples.add(requestBytes, 'repeated', await exchange(target, requestBytes))
        }
      }
    }
  }

  await client.close()
  for (const {samples, target} of routes) {
    if (target) samples.middleConnectMs = await CONTENDERS[samples.name].middleConnect?.(stage)
  }
}

/** Until one exchange went through: our own edge takes a moment to make itself known to its gateway. */
async function warmUp(
  target: Endpoint,
  exchange: (target: Endpoint, requestBytes: number) => Promise<ExchangeOutcome>,
): Promise<void> {
  const deadline = performance.now() + WARM_UP_MS
  while ('error' in (await exchange(target, 100)) && performance.now() < deadline) await sleep(100)
}
