/** The part of raw-socket 1.8 that is used here. */
declare module 'raw-socket' {
  import type {EventEmitter} from 'node:events'

  export const AddressFamily: {IPv4: number; IPv6: number}
  export const Protocol: {ICMP: number; ICMPv6: number}

  export interface Socket extends EventEmitter {
    /** `done` gets an Error whose message is the text of strerror(3). */
    send(
      bytes: Buffer,
      offset: number,
      length: number,
      address: string,
      done: (error: Error | null, bytes: number) => void,
    ): this
    close(): this
    on(event: 'close', listener: () => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'message', listener: (bytes: Buffer, source: string) => void): this
  }

  export function createSocket(options: {protocol: number; addressFamily: number; bufferSize?: number}): Socket
}
