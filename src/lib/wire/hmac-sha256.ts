import {createHmac, createSecretKey, type KeyObject} from 'node:crypto'

/**
 * HMAC-SHA-256 (RFC 2104) with one key. An object a MAC costs some microseconds a connection more than code of our own
 * would; cryptography is not where we write our own.
 */
export class HmacSha256 {
  readonly #key: KeyObject

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key)
  }

  /**
   * Writes the 32 bytes of the MAC over `length` bytes from `offset`.
   *
   * @param into may be the same memory as `bytes`
   * @param at where in it the MAC goes
   */
  write(bytes: Uint8Array, offset: number, length: number, into: Uint8Array, at: number): void {
    into.set(
      createHmac('sha256', this.#key)
        .update(bytes.subarray(offset, offset + length))
        .digest(),
      at,
    )
  }
}
