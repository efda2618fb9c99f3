import {Args} from '@oclif/core'

import {OverlayCommand} from '../lib/cli/base-command.js'
import {builtFile} from '../lib/cli/node-entry.js'
import {examine, lacking} from '../lib/doctor/examine.js'
import {renderDoctor} from '../lib/doctor/render.js'
import {ROLES, type DoctorReport, type Role} from '../lib/doctor/schema.js'
import {thisMachine} from '../lib/doctor/this-machine.js'
import {ExitCode} from '../lib/errors/index.js'

export default class Doctor extends OverlayCommand<DoctorReport> {
  static override summary = 'Say what this machine lacks, and what to do about it'

  static override description = `Tries each kernel feature, privilege and program; it never judges by a version number, and changes nothing.

Ends with exit code 0 when the machine is ready for every role asked for, and 5 when it is not. Optional features do not count.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> lab',
    '<%= config.bin %> <%= command.id %> all --json',
  ]

  static override args = {
    role: Args.option({options: [...ROLES, 'all'] as const})({
      description: 'what the machine shall do; without it: edge and gateway',
    }),
  }

  protected override async perform(): Promise<DoctorReport> {
    const {args} = await this.parse(Doctor)
    const report = examine(thisMachine(builtFile('')), rolesAsked(args.role))
    if (lacking(report).length > 0) this.conclude(ExitCode.Missing)
    return report
  }

  protected override render(report: DoctorReport): string {
    return renderDoctor(report)
  }
}

function rolesAsked(role: 'all' | Role | undefined): readonly Role[] {
  if (role === 'all') return ROLES
  return role === undefined ? ['edge', 'gateway'] : [role]
}
