import {addressBytes} from '../../../src/lib/wire/endpoint.js'
import type {LegRecord} from '../../../src/lib/wire/leg-record.js'

/** A leg record whose ports name the connection. */
export function legRecord(localPort: number, remotePort: number, family: 4 | 6 = 4): LegRecord {
  const prefix = family === 4 ? '10.9.0.' : 'fd00::'
  return {
    local: {address: addressBytes(`${prefix}1`), port: localPort},
    remote: {address: addressBytes(`${prefix}2`), port: remotePort},
    iss: 0xff_ff_ff_f0,
    irs: 7,
    mss: 1460,
    sendScale: 7,
    receiveScale: 10,
    options: 7,
    timestamp: 0x80_00_00_02,
    ageMs: 3,
    windows: [1, 65_535, 65_535, 65_160, 7],
  }
}
