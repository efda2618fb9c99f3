import koffi from 'koffi'

import {allocate} from './libc.js'

const CLOCK_BOOTTIME = 7
const CLOCK_TAI = 11

const clockGettime = koffi.load('libc.so.6').func('int clock_gettime(int, int64_t)') as (
  clock: number,
  at: number,
) => number
const timespec = allocate(16)

/** CLOCK_TAI in whole seconds: the clock of numbers that two hosts make alike. */
export function taiSeconds(): number {
  clockGettime(CLOCK_TAI, timespec.address)
  return timespec.bytes.readUInt32LE(0) + timespec.bytes.readUInt32LE(4) * 4_294_967_296
}

/** CLOCK_BOOTTIME in ms, with its fraction: monotonic, and goes on while the machine sleeps. */
export function bootTimeMs(): number {
  clockGettime(CLOCK_BOOTTIME, timespec.address)
  const {bytes} = timespec
  const seconds = bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 4_294_967_296
  return seconds * 1000 + bytes.readUInt32LE(8) / 1e6
}
