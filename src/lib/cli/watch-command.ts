import {Flags} from '@oclif/core'

import {parseDuration} from '../config/duration.js'
import {OverlayError} from '../errors/index.js'
import {OverlayCommand} from './base-command.js'
import {watch} from './watch.js'

const DEFAULT_INTERVAL = '2s'

/** Asking costs those who are asked something, and nobody reads faster, ms. */
const LEAST_INTERVAL_MS = 200

export const watchFlags = {
  watch: Flags.boolean({
    char: 'w',
    description:
      'look again and again until Ctrl-C: live on a terminal, one text after the other elsewhere, a line of JSON each with --json',
  }),
  interval: Flags.string({
    description: `time from one look to the next, 200ms at least; ${DEFAULT_INTERVAL} when not given`,
    helpValue: 'DURATION',
    dependsOn: ['watch'],
  }),
}

/** What a command that can watch is to do. */
export interface Look<Result> {
  flags: {watch: boolean; interval?: string}
  /** @param signal whoever asks does not want to know any more */
  take(signal?: AbortSignal): Promise<Result>
}

/** A command that shows how something is, once or again and again. */
export abstract class WatchCommand<Result extends object> extends OverlayCommand<Result> {
  #look: Look<Result> | null = null

  /** Parses the command line. */
  protected abstract look(): Promise<Look<Result>>

  /** @param previous the look before, when it watches */
  protected abstract override render(result: Result, previous?: Result | null): string

  override async run(): Promise<void> {
    this.#look = await this.look()
    const {flags, take} = this.#look
    if (!flags.watch) {
      await super.run()
      return
    }

    await watch<Result>({
      intervalMs: parseInterval(flags.interval ?? DEFAULT_INTERVAL),
      take,
      render: (result, previous) => this.render(result, previous),
      json: this.jsonEnabled(),
    })
  }

  protected override async perform(): Promise<Result> {
    return this.#look!.take()
  }
}

/** @throws OverlayError USAGE */
function parseInterval(text: string): number {
  const ms = parseDuration(text, '--interval')
  if (ms >= LEAST_INTERVAL_MS) return ms
  throw new OverlayError('USAGE', `--interval: "${text}" is less than ${LEAST_INTERVAL_MS} ms`, {
    suggestions: [`--interval ${LEAST_INTERVAL_MS}ms`],
  })
}
