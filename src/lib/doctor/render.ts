import {textTable} from '../cli/table.js'
import {ROLES, type Check, type DoctorReport} from './schema.js'

/** The report as text: a table of what the roles asked for need, what to do about what is absent, and the verdict. */
export function renderDoctor(report: DoctorReport): string {
  const relevant = report.checks.filter((check) => check.needs.some((role) => report.asked.includes(role)))
  const table = textTable(
    [{title: 'Here'}, {title: 'Feature'}, {title: 'Needed for'}, {title: 'Kernel'}],
    relevant.map((check) => [mark(check), check.title, check.needs.join(', '), check.minimumKernel ?? '']),
  )
  const absent = relevant.filter((check) => !check.present)
  return [
    `Kernel ${report.kernel}; the column Kernel is the first release that has the feature.`,
    '',
    table,
    '',
    ...absent.map((check) => describeAbsence(check)),
    ...ROLES.map((role) => `${role.padEnd(8)} ${report[role] ? 'ready' : 'not ready'}`),
  ].join('\n')
}

function mark(check: Check): string {
  if (check.present) return 'yes'
  return check.required ? 'NO' : 'no'
}

function describeAbsence(check: Check): string {
  const consequence = check.required ? 'required' : `optional; without it ${check.effect}`
  return `Missing: ${check.title} (${consequence})\n  try: ${check.remedy}`
}
