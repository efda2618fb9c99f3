import {closeSync, openSync, writeSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'
import {LinkType} from '../wire/link-layer.js'

/** Writes IP packets into a pcap file with nanosecond timestamps, without link headers (LINKTYPE_RAW). */
export class RawIpWriter {
  readonly #fd: number

  /** @throws OverlayError NOT_FOUND when the file cannot be made */
  constructor(file: string) {
    try {
      this.#fd = openSync(file, 'w', 0o644)
    } catch (error) {
      throw new OverlayError('NOT_FOUND', `capture file ${file} cannot be written`, {
        cause: (error as NodeJS.ErrnoException).code,
      })
    }

    const header = Buffer.alloc(24)
    header.writeUInt32LE(0xa1b23c4d, 0)
    header.writeUInt16LE(2, 4)
    header.writeUInt16LE(4, 6)
    header.writeUInt32LE(65_535, 16)
    header.writeUInt32LE(LinkType.Raw, 20)
    writeSync(this.#fd, header)
  }

  /** @param timeNs nanoseconds since 1970, UTC */
  write(timeNs: bigint, packet: Uint8Array, originalLength = packet.length): void {
    const header = Buffer.alloc(16)
    header.writeUInt32LE(Number(timeNs / 1_000_000_000n), 0)
    header.writeUInt32LE(Number(timeNs % 1_000_000_000n), 4)
    header.writeUInt32LE(packet.length, 8)
    header.writeUInt32LE(originalLength, 12)
    writeSync(this.#fd, Buffer.concat([header, packet]))
  }

  close(): void {
    closeSync(this.#fd)
  }
}
