// The bytes that takeover tests send: known at every offset to every process of a test.
import {createCipheriv, createHash} from 'node:crypto'

export const STREAM_BYTES = 4 * 1024 * 1024

/** @param {string} name "client" or "server" */
export function stream(name) {
  const key = createHash('sha256').update(name).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(STREAM_BYTES))
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
