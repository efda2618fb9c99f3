import {readFileSync} from 'node:fs'

import {RawIpWriter} from '../capture/raw-ip-writer.js'
import {OverlayError} from '../errors/index.js'
import {routeTo, type Route} from '../handshake/network-device.js'
import type {KeyRing} from '../keys/key-file.js'
import type {Endpoint} from '../wire/endpoint.js'
import type {Condition} from './conditions.js'
import {EchoClient} from './echo-client.js'
import {echoConditions, locate, variantConditions} from './findings.js'
import {handshakeFigures, handshakeStage, type Sample, type Stage} from './handshake-stage.js'
import {isNextHopDead} from './next-hop.js'
import {Pacer} from './pacer.js'
import {PacketPort} from './packet-port.js'
import {pathStage} from './path-stage.js'
import type {ProbeKeys} from './probe-keys.js'
import {measureReplication, type ReplicationQuestion} from './replication.js'
import type {ProbeReport, Replication, SegmentSizes, TargetReport, VariantResult} from './schema.js'
import {segmentSizes, sizeConditions} from './segment-sizes.js'
import {checkSource, resolveTarget, type Target} from './target.js'
import {variantStage} from './variant-stage.js'
import {judgeHandshake, judgeZeroRtt} from './verdict.js'
import {openingCounts, zeroRttFigures, zeroRttStage, type DataSamples} from './zero-rtt-stage.js'

export interface ProbeSettings {
  /** `HOST` or `HOST:PORT`. */
  targets: readonly string[]
  /** Of targets that name none. */
  defaultPort: number
  /** 0: as the resolver likes. */
  family: 0 | 4 | 6
  /** Address of this host to send from; the route's when not given. */
  source?: string
  /** Exchanges with each target, and ms between their beginnings. */
  count: number
  intervalMs: number
  /** How long an answer may take, ms. */
  timeoutMs: number
  /** For zero-RTT against overlay gateways; null leaves it out. */
  keys: ProbeKeys | null
  /** Also try what the path tolerates. */
  variants: boolean
  /** Also measure how much later than the path data is acknowledged; null leaves it out. */
  replication: ReplicationQuestion | null
  /** Also ask the routers on the way. */
  path: boolean
  /** The gateway's packet echo; null leaves it out. */
  echo: {at: Endpoint; keys: KeyRing} | null
  /** Where all packets go, with nanosecond timestamps. */
  pcap?: string
  /** Ends the probe early, with what it has. */
  abandon: AbortSignal
  onSample(target: string, sample: Sample): void
  progress(what: string): void
  warn(message: string): void
}

/** Connections that are open at once, at most; and how many ports a short probe takes all the same. */
const MOST_FLOWS = 256
const FEWEST_FLOWS = 64

/** IPv4 or IPv6 header and TCP header. */
const HEADER_BYTES = {ipv4: 40, ipv6: 60}

/**
 * Probes each target, all of them at the same time, and leaves nothing behind.
 *
 * @throws OverlayError USAGE, NOT_FOUND, UNREACHABLE (resolver), PRIVILEGE_MISSING, PROGRAM_MISSING,
 * KERNEL_FEATURE_MISSING; INCONCLUSIVE when it was ended before a packet was answered or given up
 */
export async function probe(settings: ProbeSettings): Promise<ProbeReport> {
  const {targets, defaultPort, family} = settings
  const resolved = await Promise.all(targets.map((text) => resolveTarget(text, defaultPort, family)))
  const source = settings.source === undefined ? undefined : checkSource(settings.source, resolved)
  const file = settings.pcap === undefined ? null : new RawIpWriter(settings.pcap)
  try {
    const results = await Promise.allSettled(resolved.map((target) => probeTarget({...settings, source}, target, file)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    const reports = results.map((result) => (result as PromiseFulfilledResult<TargetReport>).value)
    return reports.length === 1 ? reports[0] : {targets: reports}
  } finally {
    file?.close()
  }
}

async function probeTarget(settings: ProbeSettings, target: Target, file: RawIpWriter | null): Promise<TargetReport> {
  let route: Route
  try {
    route = routeTo(target.address, settings.source)
  } catch (error) {
    if (error instanceof OverlayError && error.code === 'UNREACHABLE') return noRoute(target, error)
    throw error
  }

  const {device, source} = route
  const {abandon, count, intervalMs, timeoutMs} = settings
  const pacer = new Pacer(intervalMs, abandon)
  const port = await PacketPort.open({
    target,
    source,
    device,
    flows: Math.min(MOST_FLOWS, Math.max(FEWEST_FLOWS, count)),
    onBegin: () => pacer.left(),
    onPacket: (timeNs, packet, length) => file?.write(timeNs, packet, length),
  })
  let echo: EchoClient | null = null
  try {
    if (settings.echo) echo = await EchoClient.open(settings.echo.at, source, settings.echo.keys)
    const stage: Stage = {
      port,
      pacer,
      timeoutMs,
      mss: segmentSize(device, target.address),
      abandon,
      flows: [],
      onSample: (sample) => settings.onSample(target.name, sample),
    }
    const findings = await runStages(settings, target, route, stage, echo)
    if (port.lost > 0) settings.warn(`${target.name}: the capture lost ${port.lost} packets; figures may be wrong`)
    return {...named(target), source, device, ...findings, interrupted: abandon.aborted}
  } finally {
    echo?.close()
    await port.close()
  }
}

type Findings = Omit<TargetReport, 'address' | 'device' | 'interrupted' | 'port' | 'source' | 'target'>

/** What was asked for, in order; after a failed handshake nothing but the path. */
async function runStages(
  settings: ProbeSettings,
  {name, address}: Target,
  {device, nextHop}: Route,
  stage: Stage,
  echo: EchoClient | null,
): Promise<Findings> {
  const {count, keys} = settings
  settings.progress(`${name}: ${count} handshakes`)
  const handshake = handshakeFigures(await handshakeStage(stage, count))
  if (handshake.sent === 0) throw new OverlayError('INCONCLUSIVE', `${name}: ended before an answer came`)
  const silent = handshake.answers.silent === handshake.sent
  const dead = silent && (await isNextHopDead({device, address: nextHop}, stage.abandon))
  const refused = judgeHandshake(handshake, dead ? nextHop : null)
  let samples: DataSamples | null = null
  if (refused === null && keys) {
    settings.progress(`${name}: ${count} openings in zero RTT, ${count} ordinary ones`)
    samples = await zeroRttStage(stage, keys, count)
  }

  const counts = samples && openingCounts(samples.zeroRtt)
  const zeroRtt = samples && samples.zeroRtt.length > 0 ? zeroRttFigures(samples) : null
  const accepted = zeroRtt?.accepted ?? 0
  let replication: Replication | null | undefined
  if (settings.replication && refused === null) {
    settings.progress(`${name}: ${count} connections for the replication latency`)
    replication = await measureReplication(stage, settings.replication, count, (why) =>
      settings.warn(`${name}: replication was not measured: ${why}`),
    )
  }

  let variants: VariantResult[] | undefined
  // Where zero-RTT fails, they say why.
  if (refused === null && (settings.variants || (zeroRtt !== null && accepted === 0))) {
    settings.progress(`${name}: variants`)
    variants = await variantStage(stage, keys, echo)
  }

  let sizes: SegmentSizes | undefined
  if (keys && variants?.find((variant) => variant.name === 'early-data')?.answered === true) {
    settings.progress(`${name}: segment sizes`)
    sizes = await segmentSizes(stage, keys, address.includes(':'))
  }

  let path: Awaited<ReturnType<typeof pathStage>> | undefined
  if (settings.path) {
    settings.progress(`${name}: hops`)
    path = await pathStage(stage)
  }

  const conditions: Condition[] = []
  if (echo) {
    if (!(await echo.flush(stage.timeoutMs)))
      settings.warn(`${name}: the packet echo has ended: ${echo.ended ?? 'no answer'}`)
    conditions.push(...echoConditions(stage.flows, echo))
  }

  if (variants) {
    const translated = conditions.some((condition) => condition.name.startsWith('nat-'))
    const mismatched = (counts?.mismatches ?? 0) > (counts?.confirmed ?? 0)
    conditions.push(...variantConditions(variants, {translated, mismatched}))
  }

  if (sizes && !stage.abandon.aborted) conditions.push(...sizeConditions(sizes))

  // The echo has shown the key; without one, the answers must.
  const gateway = echo !== null || (zeroRtt?.gateway ?? false)
  return {
    ...(refused ?? judgeZeroRtt(handshake, counts, accepted, gateway)),
    handshake,
    zeroRtt,
    conditions: path ? locate(conditions, path) : conditions,
    ...(replication !== undefined && {replication}),
    ...(variants && {variants}),
    ...(sizes && {segmentSizes: sizes}),
    ...(path && {path: path.map(({hop}) => hop)}),
    ...(echo && {echo: {seenAs: echo.seenAs, packets: echo.packets.length, withheld: echo.withheld}}),
  }
}

/** Bytes of data in a packet that fills the interface; a packet of 65535 bytes is the longest there is. */
function segmentSize(device: string, address: string): number {
  const mtu = Number(readFileSync(`/sys/class/net/${device}/mtu`, 'latin1'))
  return Math.min(mtu, 65_535) - (address.includes(':') ? HEADER_BYTES.ipv6 : HEADER_BYTES.ipv4)
}

function noRoute(target: Target, error: OverlayError): TargetReport {
  const {message, cause} = error.toJson()
  return {
    ...named(target),
    source: null,
    device: null,
    verdict: 'unreachable',
    reasons: [cause === null ? message : `${message}: ${cause}`],
    advice: error.suggestions.filter((text) => !text.includes('--interface')),
    handshake: handshakeFigures([]),
    zeroRtt: null,
    conditions: [],
    interrupted: false,
  }
}

const named = (target: Target) => ({target: target.name, address: target.address, port: target.port})
