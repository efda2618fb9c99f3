import {configJsonSchema} from '../../src/lib/config/json-schema.js'

interface Property {
  type?: string
  description?: string
  default?: unknown
  properties?: Record<string, Property>
  required?: string[]
  items?: Property
}

export interface ConfigKey {
  /** `edge.services[].listen` */
  key: string
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
    return [{key, description: child.description ?? '', fallback: child.default, required}, ...keysOf(child, key)]
  })
}
