import {z} from 'zod'

import {configSchema} from './schema.js'

/** A JSON Schema (2020-12) of the configuration file, for editors. */
export function configJsonSchema(): object {
  return {
    ...z.toJSONSchema(configSchema, {
      io: 'input',
      // Zod leaves defaults out where a text is read into something else. Ours are texts, as the file has them.
      override({zodSchema, jsonSchema}) {
        const fallback = z.globalRegistry.get(zodSchema)?.default
        if (fallback !== undefined) jsonSchema.default = fallback as typeof jsonSchema.default
      },
    }),
    title: 'overlay configuration',
    description:
      'One file per host. Addresses, durations and rules between keys are judged by "overlay config check" alone.',
  }
}
