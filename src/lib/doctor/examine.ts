import {CHECKS, type CheckDefinition} from './checks.js'
import type {Machine} from './machine.js'
import {ROLES, type Check, type DoctorReport, type Role} from './schema.js'

/**
 * Tries every check on a machine and says which roles it is ready for. It changes nothing on the machine.
 *
 * @param asked the roles whose readiness decides the exit code; they do not limit what is tried
 */
export function examine(machine: Machine, asked: readonly Role[], definitions = CHECKS): DoctorReport {
  const checks = definitions.map((definition) => tryCheck(definition, machine))
  const ready = Object.fromEntries(ROLES.map((role) => [role, isReady(role, checks)])) as Record<Role, boolean>
  return {kernel: machine.kernelRelease(), asked: [...asked], checks, ...ready}
}

/** The roles asked for that the machine is not ready for. */
export function lacking(report: DoctorReport): Role[] {
  return report.asked.filter((role) => !report[role])
}

function tryCheck({probe, remedy, ...check}: CheckDefinition, machine: Machine): Check {
  const present = probe(machine)
  return present ? {...check, present} : {...check, present, remedy}
}

function isReady(role: Role, checks: readonly Check[]): boolean {
  return checks.every((check) => check.present || !check.required || !check.needs.includes(role))
}
