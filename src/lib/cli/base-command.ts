import {Command} from '@oclif/core'

import {ExitCode, OverlayError} from '../errors/index.js'
import {reportError, writeJson} from './output.js'

/**
 * The base of every command: parse, call one function of src/lib, render.
 *
 * Data goes to stdout, progress and messages to stderr. With `--json` exactly one object is printed, on failure too, and
 * warnings travel inside it. It cures what oclif 4 gets wrong here: `this.error` exits 1 under `--json`, `warn` vanishes
 * there, and `this.exit` cuts piped output.
 */
export abstract class OverlayCommand<Result extends object> extends Command {
  static override enableJsonFlag = true

  protected readonly warnings: string[] = []

  /** Does the work and returns what `--json` prints. */
  protected abstract perform(): Promise<Result>

  /** The result as text for people, without a newline at its end; nothing is printed when it is empty. */
  protected abstract render(result: Result): string

  override async run(): Promise<void> {
    const result = await this.perform()
    if (this.jsonEnabled()) {
      await this.printResult(this.warnings.length > 0 ? {...result, warnings: this.warnings} : result)
      return
    }

    const text = this.render(result)
    if (text !== '') process.stdout.write(text + '\n')
  }

  /** Prints the result under `--json`; a command that prints a line for each event puts it on one line too. */
  protected async printResult(result: Result): Promise<void> {
    await writeJson(result)
  }

  /** A message that must not be lost: to stderr at once, and into `warnings` of the JSON. */
  protected note(message: string): void {
    this.warnings.push(message)
    if (!this.jsonEnabled()) process.stderr.write(`Warning: ${message}\n`)
  }

  /** Marks the run as failed although its result is printed: a negative verdict, an assertion that did not hold. */
  protected conclude(code: ExitCode): void {
    process.exitCode = code
  }

  protected override async catch(error: Error): Promise<void> {
    reportError(error, this.jsonEnabled(), this.warnings)
  }

  override error(input: Error | string): never {
    throw input instanceof Error ? input : new OverlayError('INTERNAL', input)
  }
}
