import {OverlayError} from '../errors/index.js'
import {formatEndpoint, parseEndpoint, type Endpoint} from '../wire/endpoint.js'
import type {Limit} from '../relay/meter.js'
import type {Resolution} from './resolution.js'
import type {EdgeSection} from './schema.js'

export interface Service {
  name: string
  listen: Endpoint
  origin: Endpoint
  gateways: Endpoint[]
  limit: Limit
}

export interface ServiceFlags {
  listen?: string
  origin?: string
  gateway?: string[]
}

/** Nobody listens there: stands for an endpoint that is missing where that is not refused. */
const NOWHERE: Endpoint = {address: '0.0.0.0', port: 1}

/**
 * Services of the file; flags make one of their own, or change the only one there is.
 *
 * @throws OverlayError USAGE
 */
export function edgeServices(flags: ServiceFlags, file: EdgeSection, resolution: Resolution): Service[] {
  const fromFile = file.services ?? []
  const byFlag = flags.listen !== undefined || flags.origin !== undefined || flags.gateway !== undefined
  if (!byFlag && fromFile.length === 0) {
    resolution.missing('--listen, --origin and --gateway', 'services')
    return []
  }

  if (byFlag && fromFile.length > 1) {
    throw new OverlayError(
      'USAGE',
      '--listen, --origin and --gateway cannot be used with several services in the file',
      {
        suggestions: ['change the file, or leave --config away'],
      },
    )
  }

  if (fromFile.length > 1) return fromFile.map((service, index) => resolved(service, index, {}, resolution))
  return [resolved(fromFile[0], 0, flags, resolution)]
}

type FileService = NonNullable<EdgeSection['services']>[number]

function resolved(base: FileService | undefined, index: number, flags: ServiceFlags, resolution: Resolution): Service {
  const key = (name: string): string => `services.${index}.${name}`
  const place = (name: 'listen' | 'origin'): Endpoint => {
    const text = flags[name]
    const byFlag = text === undefined ? undefined : parseEndpoint(text, `--${name}`)
    return resolution.need({key: key(name), flag: name, byFlag, byFile: base?.[name]}, NOWHERE, formatEndpoint)
  }

  return {
    name: resolution.pick({key: key('name'), byFile: base?.name}, 'default'),
    listen: place('listen'),
    origin: place('origin'),
    gateways: resolution.need(
      {
        key: key('gateways'),
        flag: 'gateway',
        byFlag: flags.gateway?.map((text) => parseEndpoint(text, '--gateway')),
        byFile: base?.gateways,
      },
      [],
      (gateways) => gateways.map((gateway) => formatEndpoint(gateway)),
    ),
    limit: {
      connections: resolution.pick<number>({key: key('maxConnections'), byFile: base?.maxConnections}, 0),
      rate: resolution.pick<number>({key: key('maxRate'), byFile: base?.maxRate}, 0),
    },
  }
}
