const MASK = 0xff_ff_ff_ff_ff_ff_ff_ffn

function rotl(x: bigint, b: bigint): bigint {
  return ((x << b) | (x >> (64n - b))) & MASK
}

/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012). Not for a hot path: the datapath has its own in bpf/suggested-isn.h.
 *
 * @param key 16 bytes
 * @returns the 64-bit tag
 */
export function siphash24(key: Uint8Array, message: Uint8Array): bigint {
  const keys = new DataView(key.buffer, key.byteOffset, 16)
  const k0 = keys.getBigUint64(0, true)
  const k1 = keys.getBigUint64(8, true)
  let v0 = k0 ^ 0x73_6f_6d_65_70_73_65_75n
  let v1 = k1 ^ 0x64_6f_72_61_6e_64_6f_6dn
  let v2 = k0 ^ 0x6c_79_67_65_6e_65_72_61n
  let v3 = k1 ^ 0x74_65_64_62_79_74_65_73n
  const round = () => {
    v0 = (v0 + v1) & MASK
    v1 = rotl(v1, 13n) ^ v0
    v0 = rotl(v0, 32n)
    v2 = (v2 + v3) & MASK
    v3 = rotl(v3, 16n) ^ v2
    v0 = (v0 + v3) & MASK
    v3 = rotl(v3, 21n) ^ v0
    v2 = (v2 + v1) & MASK
    v1 = rotl(v1, 17n) ^ v2
    v2 = rotl(v2, 32n)
  }

  const absorb = (word: bigint) => {
    v3 ^= word
    round()
    round()
    v0 ^= word
  }

  // The last word holds what is left over and, in its top byte, the length.
  const padded = new Uint8Array((Math.floor(message.length / 8) + 1) * 8)
  padded.set(message)
  padded[padded.length - 1] = message.length & 0xff
  const words = new DataView(padded.buffer)
  for (let at = 0; at < padded.length; at += 8) absorb(words.getBigUint64(at, true))

  v2 ^= 0xffn
  for (let i = 0; i < 4; i++) round()
  return v0 ^ v1 ^ v2 ^ v3
}
