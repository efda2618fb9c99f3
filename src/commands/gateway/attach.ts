import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {GatewayPlane, type GatewayPlaneStatus} from '../../lib/handshake/gateway-plane.js'
import {renderGatewayPlane} from '../../lib/handshake/render.js'
import {readKeyFile} from '../../lib/keys/key-file.js'
import {parseEndpoint} from '../../lib/wire/endpoint.js'

export default class GatewayAttach extends OverlayCommand<GatewayPlaneStatus> {
  static override summary = 'Let every program on this host accept zero-RTT connections from edges'
  static override description = `Puts the gateway's half of the handshake plane onto interfaces, and nothing else: a program that listens on one of the
ports then gets its connections from edges one round trip earlier, whatever program it is. Others connect as ever.
Nothing keeps running. Attached again under the same name, it takes over what is there and changes what is different.`
  static override examples = [
    {
      description: 'HAProxy on this host accepts from other sites on port 7000',
      command: '<%= config.bin %> <%= command.id %> --listen 203.0.113.9:7000 --key-file /etc/overlay/keys',
    },
  ]

  static override flags = {
    listen: Flags.string({
      description: 'ADDRESS:PORT on which a program accepts middle legs; repeat for several',
      multiple: true,
      required: true,
      helpValue: 'ADDRESS:PORT',
    }),
    'key-file': Flags.file({description: 'file with the keys shared with the edges', required: true}),
    interface: Flags.string({
      description: 'interface toward the edges; those that hold the addresses when not given',
      multiple: true,
    }),
    'initial-window': Flags.integer({
      description: "initial congestion window toward edges, in segments; 0 leaves the kernel's",
      default: 0,
      min: 0,
      max: 1000,
    }),
    'rtt-guess': Flags.integer({
      description:
        'milliseconds that a connection takes for its RTT before it has measured, for an edge not heard before',
      default: 100,
      min: 1,
      max: 1000,
    }),
    'clock-offset': Flags.integer({
      description: 'seconds added to the clock that numbers are made with, to see what a wrong clock does',
      default: 0,
      hidden: true,
    }),
    name: Flags.string({description: 'name of this gateway on this host', default: 'default'}),
  }

  protected async perform(): Promise<GatewayPlaneStatus> {
    const {flags} = await this.parse(GatewayAttach)
    const plane = GatewayPlane.attach({
      name: flags.name,
      owner: 'attach',
      keys: readKeyFile(flags['key-file']),
      listen: flags.listen.map((text) => parseEndpoint(text, '--listen')),
      interfaces: flags.interface,
      initialWindow: flags['initial-window'],
      clockOffsetSeconds: flags['clock-offset'],
      rttGuessMs: flags['rtt-guess'],
    })
    for (const limitation of plane.limitations) this.note(limitation)
    return plane.status()
  }

  protected render(status: GatewayPlaneStatus): string {
    return renderGatewayPlane(status)
  }
}
