import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {describeWithCounters, type LinkDescription} from '../../lib/lab/describe.js'
import {Lab} from '../../lib/lab/lab.js'
import {LINK_WORDS, setWord} from '../../lib/lab/link-words.js'
import type {LinkChange} from '../../lib/lab/link-parameters.js'
import {renderLinkChange} from '../../lib/lab/render.js'

const text = (description: string, helpValue: string) => Flags.string({description, helpValue})
const rules = (description: string, helpValue: string) =>
  Flags.string({description, helpValue, multiple: true, multipleNonGreedy: true})

export default class LabLink extends OverlayCommand<LinkDescription> {
  static override summary = 'Change what a link of a lab does, while packets are under way'

  static override description = `What is not named stays as it is. A shorter delay holds for packets that come after it: they do not pass those already under way.

A RULE is KIND:N, the Nth packet of that kind in every flow that opens from now on, or KIND#N, the Nth of all flows; N may be a range, 1-3. Kinds: any, syn, synack, ack (nothing but an acknowledgement), data, fin, rst.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> edge-gateway --rtt 300 --loss 1',
    '<%= config.bin %> <%= command.id %> edge-gateway --towards gateway --drop syn:1 --drop ack:1',
    '<%= config.bin %> <%= command.id %> edge-gateway --drop none --hold none --copy none',
  ]

  static override args = {
    link: Args.string({description: 'client-edge, edge-gateway, gateway-origin, ...', required: true}),
  }

  static override flags = {
    lab: Flags.string({description: 'name of the lab; not needed when only one is up'}),
    towards: text('change only the direction towards this side', 'SIDE'),
    rtt: text('round trip of the link; each direction gets half', 'MS'),
    delay: text('delay one way', 'MS'),
    jitter: text('added to the delay, evenly spread; packets keep their order', 'MS'),
    loss: text('packets lost', 'PERCENT'),
    duplicate: text('packets that arrive twice', 'PERCENT'),
    reorder: text('packets that wait longer, so that others pass them', 'PERCENT'),
    'reorder-delay': text('how much longer those wait (default 1)', 'MS'),
    rate: text('rate of the link; 0 for no limit', 'MBIT/S'),
    queue: text('bytes that may wait for the rate (default 1048576)', 'BYTES'),
    seed: text('seed of the random choices, which start anew', 'NUMBER'),
    drop: rules('chosen packets to drop; none for no rules', 'RULE'),
    copy: rules('chosen packets to send twice', 'RULE'),
    hold: rules('chosen packets to delay longer', 'RULE+MS'),
  }

  protected override async perform(): Promise<LinkDescription> {
    const {args, flags} = await this.parse(LabLink)
    const {lab: name, towards} = flags
    const change: LinkChange = {}
    for (const key of LINK_WORDS) {
      const given = flags[key as keyof typeof flags]
      for (const value of given === undefined ? [] : [given].flat()) setWord(change, key, String(value), `--${key}`)
    }

    const lab = Lab.open(name)
    await lab.setLink(args.link, {...change, towards})
    const {links} = await describeWithCounters(lab.state)
    return links.find((link) => link.name === args.link)!
  }

  protected override render(link: LinkDescription): string {
    return renderLinkChange(link)
  }
}
