export const STREAM_BYTES: number
export function stream(name: 'client' | 'server'): Buffer
export function sha256(bytes: Uint8Array): string
