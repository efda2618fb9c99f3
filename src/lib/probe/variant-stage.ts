import {fieldsOf, matching, type Fields} from './changes.js'
import type {EchoClient} from './echo-client.js'
import type {Flow} from './flow.js'
import type {Stage} from './handshake-stage.js'
import type {VariantResult} from './schema.js'
import {VARIANTS, type Variant} from './variants.js'
import type {ProbeKeys} from './probe-keys.js'

/** A variant that fails by loss alone fails this often in a row: at 10 % each way, 2 in 10,000 times. */
const TRIES = 5

/**
 * Tries each variant until it is answered, five times at most, in rounds, so that the tries of one are spread over time.
 *
 * @param echo tells of arrivals; null without one
 */
export async function variantStage(
  stage: Stage,
  keys: ProbeKeys | null,
  echo: EchoClient | null,
): Promise<VariantResult[]> {
  const chosen = VARIANTS.filter(({needsKey}) => !needsKey || keys !== null)
  const results = new Map(chosen.map((variant) => [variant, fresh(variant)]))
  for (let round = 0; round < TRIES && !stage.abandon.aborted; round++) {
    const open = chosen.filter((variant) => !isSettled(results.get(variant)!, echo !== null))
    const flows = new Map<Variant, Flow>()
    const running: Promise<void>[] = []
    for (const variant of open) {
      if (!(await stage.pacer.turn())) break
      const run = async (): Promise<void> => {
        const flow = await stage.port.flow()
        stage.flows.push(flow)
        flows.set(variant, flow)
        const {answered, detail} = await variant.run(flow, stage, keys)
        const result = results.get(variant)!
        result.tries++
        result.answered = answered === null ? null : answered || result.answered === true
        result.detail = detail ?? result.detail
        const answer = answered === null ? 'unknown' : answered ? 'answered' : 'silent'
        stage.onSample({kind: variant.name, number: result.tries, answer, rttMs: null})
      }

      running.push(run())
    }

    await Promise.all(running)
    if (echo && (await echo.flush(stage.timeoutMs))) {
      const seen = arrivals(echo)
      for (const [variant, flow] of flows) {
        const result = results.get(variant)!
        const arrived = hasArrived(variant, flow, seen)
        if (arrived !== null) result.arrived = result.arrived === true || arrived
      }
    }
  }

  return [...results.values()]
}

const fresh = ({name, what}: Variant): VariantResult => ({
  name,
  what,
  tries: 0,
  answered: null,
  arrived: null,
  detail: null,
})

/** Answered; or what cannot be answered arrived, or was not sent. Without an echo it is tried once. */
function isSettled({answered, arrived, tries}: VariantResult, echo: boolean): boolean {
  if (answered === true) return true
  return answered === null && tries > 0 && (!echo || arrived !== false)
}

/** Fields of the packets that reached the gateway. */
export const arrivals = (echo: EchoClient): Fields[] =>
  echo.packets.filter(({direction}) => direction === 'arrived').map((packet) => fieldsOf(packet))

/** Null where the packet in question was not sent: there was no cookie to send. */
function hasArrived(variant: Variant, flow: Flow, seen: readonly Fields[]): boolean | null {
  const sent = flow.events.flatMap((event) => (event.kind === 'sent' && variant.isTheOne(event.tcp) ? [event] : []))
  return sent.length === 0 ? null : sent.some((event) => matching(fieldsOf(event), seen) !== null)
}
