import {existsSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

export type BpfObjectName =
  'ack-gate' | 'handshake-edge' | 'handshake-gateway' | 'handshake-vectors' | 'overlay-bbr' | 'pair-setup'

/** Path of a compiled program: dist/bpf, also when run from src/. */
export function bpfObjectPath(name: BpfObjectName): string {
  const beside = fileURLToPath(new URL(`../../bpf/${name}.bpf.o`, import.meta.url))
  return existsSync(beside) ? beside : fileURLToPath(new URL(`../../../dist/bpf/${name}.bpf.o`, import.meta.url))
}
