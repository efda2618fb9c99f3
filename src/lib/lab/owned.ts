import type {Lab} from './lab.js'

/**
 * Labs that end with this process, and labs being built. SIGINT, SIGTERM and SIGHUP take them down before they do their
 * usual work; after SIGKILL the next lab that is built sweeps them.
 */
const owned = new Map<Lab, Promise<void>>()
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** @param building settles when the lab is built, or failed to be */
export function ownLab(lab: Lab, building: Promise<void>): void {
  if (owned.size === 0) for (const signal of SIGNALS) process.on(signal, onSignal)
  owned.set(lab, building)
}

export function forgetOwned(lab: Lab): void {
  if (!owned.delete(lab) || owned.size > 0) return
  for (const signal of SIGNALS) process.removeListener(signal, onSignal)
}

function onSignal(signal: NodeJS.Signals): void {
  const labs = [...owned]
  Promise.allSettled(labs.map(([lab, building]) => endWhenBuilt(lab, building))).finally(() => {
    for (const name of SIGNALS) process.removeListener(name, onSignal)
    // With nobody else listening this ends the process by the signal, as whoever waits for it expects.
    process.kill(process.pid, signal)
  })
}

async function endWhenBuilt(lab: Lab, building: Promise<void>): Promise<void> {
  lab.cancel()
  await building.catch(() => {})
  await lab.down()
}
