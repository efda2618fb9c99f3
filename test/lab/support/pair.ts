import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import type {Lab} from '../../../src/lib/lab/lab.js'
import {OVERLAY} from './overlay.js'

/** An `overlay edge start` or `overlay gateway start` in a host, ready when this returns. */
export async function startOverlay(lab: Lab, host: string, ...words: string[]): Promise<HostProcess> {
  const running = lab.spawn(host, [...OVERLAY, ...words, '--json'], {stdio: ['ignore', 'pipe', 'pipe']})
  let log = ''
  running.child.stderr!.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  await new Promise<void>((resolve, reject) => {
    let out = ''
    running.child.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes('"event":"ready"')) resolve()
    })
    running.exited.then(() => reject(new Error(`${words.join(' ')} ended: ${out}${log}`)), reject)
  })
  return running
}

/** Addresses of a lab's hosts that a relay pair needs, of one family. */
export function addresses(lab: Lab, family: 'ipv4' | 'ipv6' = 'ipv4') {
  const text = (host: string, link: 'client-edge' | 'edge-gateway' | 'gateway-origin') => {
    const address = lab.host(host).interfaces[link]![family]
    return family === 'ipv6' ? `[${address}]` : address
  }

  return {
    edge: text('edge', 'client-edge'),
    gateway: text('gateway', 'edge-gateway'),
    origin: text('origin', 'gateway-origin'),
  }
}
