import {once} from 'node:events'
import {setTimeout as sleep} from 'node:timers/promises'

import {LiveScreen} from './live-screen.js'

/** What ends a watch, in order. */
const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface WatchOptions<Result> {
  /** From one look to the next, ms. */
  intervalMs: number
  /** A look; it settles soon when the signal comes. */
  take(signal: AbortSignal): Promise<Result>
  /** @param previous the look before; null at the first */
  render(result: Result, previous: Result | null): string
  /** Print one line of JSON for each look instead. */
  json: boolean
}

/**
 * Looks again and again, until Ctrl-C, SIGTERM or SIGHUP: on a terminal each look replaces the one before; elsewhere one
 * follows the other, with an empty line between. On return, and when it throws, the terminal is as it was.
 *
 * @throws what a look throws
 */
export async function watch<Result>(
  {intervalMs, take, render, json}: WatchOptions<Result>,
  output: NodeJS.WriteStream = process.stdout,
): Promise<void> {
  const end = new AbortController()
  const stop = (): void => end.abort()
  const screen = output.isTTY && !json ? new LiveScreen(output) : null
  const resized = (): void => screen?.redraw()
  // Ctrl-Z: the shell gets its terminal as it was, and we ours again by the next look.
  const suspend = (): void => {
    screen?.leave()
    process.kill(process.pid, 'SIGSTOP')
  }

  for (const signal of END_SIGNALS) process.on(signal, stop)
  if (screen !== null) process.on('SIGTSTP', suspend)
  output.on('resize', resized)
  try {
    let previous: Result | null = null
    for (let due = performance.now(); ; due = Math.max(due + intervalMs, performance.now())) {
      await sleep(Math.max(0, due - performance.now()), undefined, {signal: end.signal})
      const result: Result = await take(end.signal)
      const text: string = json ? JSON.stringify(result) : render(result, previous)
      if (screen === null) await print(output, previous === null || json ? text : `\n${text}`, end.signal)
      else screen.draw(text)
      previous = result
    }
  } catch (error) {
    if (!end.signal.aborted) throw error
  } finally {
    output.off('resize', resized)
    process.off('SIGTSTP', suspend)
    for (const signal of END_SIGNALS) process.off(signal, stop)
    screen?.leave()
  }
}

/** Whoever reads sets the pace. */
async function print(output: NodeJS.WriteStream, text: string, signal: AbortSignal): Promise<void> {
  if (!output.write(`${text}\n`)) await once(output, 'drain', {signal})
}
