import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {describeLab, type LabDescription} from '../../lib/lab/describe.js'
import {parseCaptureFlag, specFromFlags} from '../../lib/lab/from-flags.js'
import {Lab} from '../../lib/lab/lab.js'
import {renderLab} from '../../lib/lab/render.js'

export default class LabUp extends OverlayCommand<LabDescription> {
  static override summary = 'Build a lab: client, edge, gateway and origin with links between them'

  static override description = `Each host is a network namespace of its own with IPv4 and IPv6; none has a way out. The lab stays until "lab down". Round trips are those of the link alone: each direction gets half. docs/LAB.md describes the file.

What a link does, in --link: rtt or delay (one way) in ms, jitter in ms (one way, added), loss, duplicate and reorder in percent, reorder-delay in ms, rate in Mbit/s, queue in bytes, seed, and rules for chosen TCP packets: drop=syn:1 drops the first SYN of every flow, hold=data:2+5 delays the second data segment by 5 ms more, copy=synack:1 sends the first SYN/ACK twice.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --client-edge-rtt 10 --edge-gateway-rtt 80 --gateway-origin-rtt 2',
    '<%= config.bin %> <%= command.id %> --link edge-gateway:rtt=80,loss=0.5,rate=100 --pcap edge-gateway=middle.pcap',
    '<%= config.bin %> <%= command.id %> lab.yaml --pairs edge,gateway --name pairs',
  ]

  static override args = {
    file: Args.string({description: 'YAML file that describes the lab; flags win over it'}),
  }

  static override flags = {
    name: Flags.string({description: 'name of the lab; a random one when not given'}),
    'client-edge-rtt': Flags.string({description: 'round trip of the link client-edge (default 10)', helpValue: 'MS'}),
    'edge-gateway-rtt': Flags.string({
      description: 'round trip of the link edge-gateway (default 80)',
      helpValue: 'MS',
    }),
    'gateway-origin-rtt': Flags.string({
      description: 'round trip of the link gateway-origin (default 2)',
      helpValue: 'MS',
    }),
    link: Flags.string({
      description: 'what a link does, e.g. edge-gateway:loss=1,jitter=2',
      helpValue: 'LINK:KEY=VALUE,...',
      multiple: true,
      multipleNonGreedy: true,
    }),
    pairs: Flags.string({description: 'hosts to build as pairs: edge, gateway, or edge,gateway', helpValue: 'HOSTS'}),
    'congestion-control': Flags.string({description: 'TCP congestion control of all hosts'}),
    'link-engine': Flags.option({
      description: 'what makes the links slow; auto takes netem where the kernel has it and it can do what is asked',
      options: ['auto', 'bridge', 'delay-line', 'netem'] as const,
    })(),
    seed: Flags.integer({description: 'seed of all random choices (default 1)', min: 0}),
    pcap: Flags.string({
      description: 'capture a link for as long as the lab is up, at its side nearer to the client or at HOST',
      helpValue: 'LINK[@HOST]=FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
  }

  protected override async perform(): Promise<LabDescription> {
    const {args, flags} = await this.parse(LabUp)
    const spec = specFromFlags({
      file: args.file,
      name: flags.name,
      pairs: flags.pairs,
      congestionControl: flags['congestion-control'],
      linkEngine: flags['link-engine'],
      seed: flags.seed,
      rttMs: {
        'client-edge': flags['client-edge-rtt'],
        'edge-gateway': flags['edge-gateway-rtt'],
        'gateway-origin': flags['gateway-origin-rtt'],
      },
      links: flags.link,
    })
    const lab = await Lab.up(spec, {captures: flags.pcap?.map((text) => parseCaptureFlag(text))})
    return describeLab(lab.state)
  }

  protected override render(lab: LabDescription): string {
    const flag = `--lab ${lab.name} `
    return `${renderLab(lab)}\n\nRun something in it:  overlay lab exec ${flag}client -- COMMAND\nRemove it:            overlay lab down ${lab.name}`
  }
}
