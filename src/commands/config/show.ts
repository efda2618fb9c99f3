import {Flags, Parser, type Interfaces} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {flagSources} from '../../lib/cli/flag-sources.js'
import type {EdgeFlags, GatewayFlags} from '../../lib/config/relay-settings.js'
import {renderShown, shownSettings, type ConfigShown} from '../../lib/config/show.js'
import EdgeStart from '../edge/start.js'
import GatewayStart from '../gateway/start.js'

export default class ConfigShow extends OverlayCommand<ConfigShown> {
  static override summary = 'Show each value that an edge or gateway would start with, and where it comes from'
  static override description = `A flag goes before the environment, the environment before the file, the file before the default. What nobody gives and
start needs is shown as missing. The words after -- are flags of "edge start" or "gateway start".

Secrets stand in key files, which are not read: only their paths are shown.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> --role edge --config /etc/overlay/overlay.yaml',
    {
      description: 'What a flag would change',
      command:
        '<%= config.bin %> <%= command.id %> --role gateway --config overlay.yaml -- --listen 203.0.113.9:7000 --idle-timeout 5m',
    },
  ]

  static override strict = false

  static override flags = {
    role: Flags.option({options: ['edge', 'gateway'] as const})({
      description: 'whose values',
      required: true,
    }),
    config: Flags.file({
      description: "YAML file; the role's own variable, OVERLAY_EDGE_CONFIG or OVERLAY_GATEWAY_CONFIG, when not given",
      helpValue: 'FILE',
    }),
  }

  protected async perform(): Promise<ConfigShown> {
    const {argv, flags} = await this.parse(ConfigShow)
    const words = [...(argv as string[]), ...(flags.config === undefined ? [] : ['--config', flags.config])]
    const start: Interfaces.FlagInput = flags.role === 'edge' ? EdgeStart.flags : GatewayStart.flags
    const parsed = await Parser.parse(words, {flags: start, strict: true})
    const sources = flagSources(start, parsed.raw, process.env)
    return shownSettings(flags.role, parsed.flags as unknown as EdgeFlags & GatewayFlags, sources)
  }

  protected render(shown: ConfigShown): string {
    return renderShown(shown)
  }
}
