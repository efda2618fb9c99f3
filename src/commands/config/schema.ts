import {OverlayCommand} from '../../lib/cli/base-command.js'
import {configJsonSchema} from '../../lib/config/json-schema.js'

export default class ConfigSchema extends OverlayCommand<object> {
  static override summary = 'Print a JSON Schema of the configuration file'
  static override description = `For editors that complete and check as you type. It knows keys, kinds of values and defaults. What addresses, durations
and rules between keys must be like, "config check" alone judges.`
  static override examples = ['<%= config.bin %> <%= command.id %> > overlay.schema.json']

  protected async perform(): Promise<object> {
    await this.parse(ConfigSchema)
    return configJsonSchema()
  }

  protected render(schema: object): string {
    return JSON.stringify(schema, null, 2)
  }
}
