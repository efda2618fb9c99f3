import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {EdgePlane, type EdgePlaneStatus} from '../../lib/handshake/edge-plane.js'
import {renderEdgePlane} from '../../lib/handshake/render.js'
import {readKeyFile} from '../../lib/keys/key-file.js'
import {parseEndpoint} from '../../lib/wire/endpoint.js'

export default class EdgeAttach extends OverlayCommand<EdgePlaneStatus> {
  static override summary = 'Give every program on this host zero-RTT connections to gateways'
  static override description = `Puts the edge's half of the handshake plane onto interfaces, and nothing else: a connect() to one of the gateways then
ends at once, whatever program makes it. Nothing keeps running. Attached again under the same name, it takes over what
is there and only changes what is different, so this is also how gateways are added and keys are changed.`
  static override examples = [
    {
      description: 'HAProxy on this host forwards to another site; give it zero-RTT',
      command: '<%= config.bin %> <%= command.id %> --gateway 203.0.113.9:7000 --key-file /etc/overlay/keys',
    },
    {
      description: 'Two gateways, interface and initial window given',
      command:
        '<%= config.bin %> <%= command.id %> --interface eth1 --gateway 203.0.113.9:7000 --gateway [2001:db8::9]:7000 --key-file keys --initial-window 20',
    },
  ]

  static override flags = {
    gateway: Flags.string({
      description: 'ADDRESS:PORT of a gateway; repeat for several',
      multiple: true,
      required: true,
      helpValue: 'ADDRESS:PORT',
    }),
    'key-file': Flags.file({description: 'file with the keys shared with the gateways', required: true}),
    interface: Flags.string({
      description: 'interface toward the gateways; found from the routing table when not given',
      multiple: true,
    }),
    'initial-window': Flags.integer({
      description: "initial congestion window toward gateways, in segments; 0 leaves the kernel's",
      default: 0,
      min: 0,
      max: 1000,
    }),
    'clock-offset': Flags.integer({
      description: 'seconds added to the clock that numbers are made with, to see what a wrong clock does',
      default: 0,
      hidden: true,
    }),
    name: Flags.string({description: 'name of this edge on this host', default: 'default'}),
  }

  protected async perform(): Promise<EdgePlaneStatus> {
    const {flags} = await this.parse(EdgeAttach)
    const plane = EdgePlane.attach({
      name: flags.name,
      owner: 'attach',
      keys: readKeyFile(flags['key-file']),
      gateways: flags.gateway.map((text) => parseEndpoint(text, '--gateway')),
      interfaces: flags.interface,
      initialWindow: flags['initial-window'],
      clockOffsetSeconds: flags['clock-offset'],
      keepalive: true,
    })
    for (const limitation of plane.limitations) this.note(limitation)
    return plane.status()
  }

  protected render(status: EdgePlaneStatus): string {
    return renderEdgePlane(status)
  }
}
