import type {ServiceInstalled, ServiceRemoved} from './install.js'

/** The unit itself after a dry run; else what was done, and what starts it. */
export function renderInstalled({unit, path, written, text}: ServiceInstalled, dryRun: boolean): string {
  if (dryRun) return text.trimEnd()
  return [
    written ? `wrote ${path}` : `${path} is as it would be written`,
    `systemctl enable --now ${unit} starts it, now and at boot; systemctl restart ${unit} when it runs already`,
  ].join('\n')
}

export function renderRemoved({unit, path, disabled}: ServiceRemoved): string {
  return `${disabled ? `${unit} has drained and ended; ` : ''}removed ${path}`
}
