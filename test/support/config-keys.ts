import {configJsonSchema} from '../../src/lib/config/json-schema.js'

interface Property {
  type?: string
  description?: string
  default?: unknown
  properties?: Record<string, Property>
  required?: string[]
  items?: Property
  anyOf?: Property[]
  enum?: string[]
  minimum?: number
  maximum?: number
  maxItems?: number
  format?: string
}

export interface ConfigKey {
  /** `edge.services[].listen` */
  key: string
  /** In words: what kind of value, with its bounds. */
  kind: string
  description: string
  /** Undefined without a default. */
  fallback: unknown
  required: boolean
}

/** Every key that the configuration file can have, in the order of the schema. */
export function configKeys(): ConfigKey[] {
  return keysOf(configJsonSchema() as Property, '')
}

function keysOf(property: Property, at: string): ConfigKey[] {
  const inner = property.items?.properties
    ? {holder: property.items, prefix: `${at}[].`}
    : {holder: property, prefix: at === '' ? '' : `${at}.`}
  return Object.entries(inner.holder.properties ?? {}).flatMap(([name, child]) => {
    const key = inner.prefix + name
    const required = inner.holder.required?.includes(name) ?? false
    return [
      {key, kind: kindOf(child), description: child.description ?? '', fallback: child.default, required},
      ...keysOf(child, key),
    ]
  })
}

function kindOf(property: Property): string {
  if (property.anyOf) return property.anyOf.map((each) => kindOf(each)).join(', or ')
  if (property.enum) return property.enum.map((word) => `\`${word}\``).join(' or ')
  switch (property.type) {
    case 'array': {
      const most = property.maxItems === undefined ? '' : `up to ${property.maxItems} `
      return property.items?.properties ? `list of ${most}sections` : `list of ${most}${kindOf(property.items ?? {})}s`
    }

    case 'object': {
      return 'section'
    }

    case 'integer': {
      return `${property.minimum} to ${property.maximum}`
    }

    case 'boolean': {
      return 'true or false'
    }

    default: {
      return property.format ?? 'text'
    }
  }
}
