import {Flags} from '@oclif/core'
import ora from 'ora'

import {OverlayCommand} from '../lib/cli/base-command.js'
import {runDemo} from '../lib/demo/demo.js'
import {renderDemo} from '../lib/demo/render.js'
import type {DemoResult} from '../lib/demo/schema.js'
import {ExitCode} from '../lib/errors/index.js'

export default class Demo extends OverlayCommand<DemoResult> {
  static override summary = 'Show what a zero-RTT middle leg saves, on this machine'

  static override description = `Builds a lab of client, edge, gateway and origin, fetches a page with curl directly, through an ordinary split connection and through one with a zero-RTT middle leg, shows the packets that opened it, and removes the lab. Needs root, nginx and curl.

Ends with exit code 3 when the middle leg was not opened in zero round trips.`

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  static override flags = {
    'client-edge-rtt': Flags.integer({description: 'round trip in ms', default: 10, min: 0, max: 2000}),
    'edge-gateway-rtt': Flags.integer({description: 'round trip in ms', default: 80, min: 0, max: 2000}),
    'gateway-origin-rtt': Flags.integer({description: 'round trip in ms', default: 2, min: 0, max: 2000}),
    fetches: Flags.integer({description: 'fetches over each path', default: 7, min: 1, max: 1000}),
  }

  protected override async perform(): Promise<DemoResult> {
    const {flags} = await this.parse(Demo)
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const demo = await runDemo({
        rttMs: {
          clientEdge: flags['client-edge-rtt'],
          edgeGateway: flags['edge-gateway-rtt'],
          gatewayOrigin: flags['gateway-origin-rtt'],
        },
        fetches: flags.fetches,
        progress(what) {
          spinner.text = what
        },
      })
      if (demo.suggestedNumber === null) this.conclude(ExitCode.Negative)
      return demo
    } finally {
      spinner.stop()
    }
  }

  protected override render(demo: DemoResult): string {
    return renderDemo(demo)
  }
}
