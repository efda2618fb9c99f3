import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {CONTENDERS} from '../bench/contenders.js'
import {percentiles, round} from '../bench/percentiles.js'
import {Stage} from '../bench/stage.js'
import {PcapReader} from '../capture/pcap-reader.js'
import {OverlayError} from '../errors/index.js'
import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {DEMO_PATHS, type DemoResult} from './schema.js'
import {openingTimeline, type Timeline} from './timeline.js'
import {webOriginConfig} from './web-origin.js'

export interface DemoOptions {
  rttMs: DemoResult['rttMs']
  /** Fetches over each path. */
  fetches: number
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

const ORIGIN_PORT = 80
const WARM_UP_MS = 10_000

interface Fetch {
  connectMs: number
  firstByteMs: number
  totalMs: number
}

/**
 * Fetches a page with curl from an nginx, directly, through an ordinary split connection and through one with a zero-RTT
 * middle leg, and captures how that was opened. Builds a lab and removes it.
 *
 * @throws OverlayError of the lab; PROGRAM_MISSING; UNREACHABLE when a fetch fails
 */
export async function runDemo({rttMs, fetches, progress = () => {}}: DemoOptions): Promise<DemoResult> {
  progress('building the lab')
  const stage = await Stage.open({
    congestionControl: 'reno',
    links: {
      'client-edge': {rttMs: rttMs.clientEdge},
      'edge-gateway': {rttMs: rttMs.edgeGateway},
      'gateway-origin': {rttMs: rttMs.gatewayOrigin},
    },
  })
  try {
    const origin = {address: stage.address('origin', 'gateway-origin'), port: ORIGIN_PORT}
    await serveWeb(stage, origin)
    const targets = new Map<string, Endpoint>()
    for (const name of DEMO_PATHS) {
      progress(`starting ${name}`)
      const target = await CONTENDERS[name].start(stage, origin)
      await warmUp(stage, target)
      targets.set(name, target)
    }

    const samples = new Map<string, Fetch[]>(DEMO_PATHS.map((name) => [name, []]))
    for (let count = 1; count <= fetches; count++) {
      for (const name of DEMO_PATHS) {
        progress(`fetch ${count} of ${fetches}: ${name}`)
        samples.get(name)!.push(await fetchPage(stage, targets.get(name)!))
      }
    }

    progress('capturing the middle leg')
    const timeline = await captureOpening(stage, targets.get('zero-rtt')!)
    const paths = DEMO_PATHS.map((name) => ({name, ...medians(samples.get(name)!)}))
    const firstByte = (wanted: string): number => paths.find(({name}) => name === wanted)!.firstByteMs
    return {
      rttMs,
      fetches,
      paths,
      savedMs: round(firstByte('split') - firstByte('zero-rtt')),
      suggestedNumber: timeline.suggestedNumber,
      timeline: timeline.events,
    }
  } finally {
    progress('removing the lab')
    await stage.close()
  }
}

async function serveWeb(stage: Stage, listen: Endpoint): Promise<void> {
  const name = 'nginx-origin.conf'
  await stage.serve({
    host: 'origin',
    what: 'nginx on origin',
    words: ['nginx', '-e', 'stderr', '-c', stage.file('origin', name)],
    listen,
    files: {[name]: webOriginConfig(listen, stage.lab.host('origin').runDir)},
  })
}

/** One page by curl, from the client. @throws OverlayError UNREACHABLE */
async function fetchPage(stage: Stage, target: Endpoint, path = '/'): Promise<Fetch> {
  const url = `http://${formatEndpoint(target)}${path}`
  const format = '%{http_code} %{time_connect} %{time_starttransfer} %{time_total}'
  const words = [
    'curl',
    '--silent',
    '--show-error',
    '--max-time',
    '10',
    '--output',
    '/dev/null',
    '--write-out',
    format,
    url,
  ]
  const {code, stdout, stderr} = await stage.lab.exec('client', words, {timeoutMs: 15_000})
  const [status, ...seconds] = stdout.split(' ').map(Number)
  if (code !== 0 || status !== 200) {
    throw new OverlayError('UNREACHABLE', `curl ${url} failed`, {cause: stderr.trim() || `HTTP status ${status}`})
  }

  const [connectMs, firstByteMs, totalMs] = seconds.map((value) => round(value * 1000))
  return {connectMs, firstByteMs, totalMs}
}

/** Until a fetch succeeds: an edge takes a moment to make itself known to its gateway. */
async function warmUp(stage: Stage, target: Endpoint): Promise<void> {
  const deadline = performance.now() + WARM_UP_MS
  for (;;) {
    try {
      await fetchPage(stage, target)
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(100)
    }
  }
}

/** One more fetch, seen by a capture on the edge's side of the middle leg. */
async function captureOpening(stage: Stage, target: Endpoint): Promise<Timeline> {
  const marker = '/the-one-that-is-captured'
  const file = join(stage.lab.host('edge').runDir, 'middle-leg.pcap')
  const capture = await stage.lab.capture('edge', 'edge-gateway', file, {filter: `tcp port ${target.port}`})
  await fetchPage(stage, target, marker)
  await capture.stop()
  const timeline = openingTimeline(PcapReader.open(file), target.port, marker)
  if (!timeline) throw new OverlayError('INCONCLUSIVE', 'the capture holds no connection of the middle leg')
  return timeline
}

function medians(fetches: Fetch[]): Fetch {
  const median = (key: keyof Fetch): number => percentiles(fetches.map((fetch) => fetch[key]))!.p50
  return {connectMs: median('connectMs'), firstByteMs: median('firstByteMs'), totalMs: median('totalMs')}
}
