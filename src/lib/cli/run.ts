import {Config, flush, Plugin, run, settings} from '@oclif/core'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {reportError, wantsJson} from './output.js'

export interface RunOptions {
  /** Load commands from src/ through tsx instead of dist/. */
  development?: boolean
}

/**
 * Runs one command line. Every failure, also of the parser and of an unknown command, ends in the error contract of
 * docs/ERRORS.md.
 *
 * @param argv the words after `overlay`
 * @param binUrl `import.meta.url` of the file in bin/
 */
export async function runCli(argv: string[], binUrl: string, options: RunOptions = {}): Promise<void> {
  // A reader that goes away (`overlay … | head`) ends the command quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw error
  })
  try {
    const config = options.development ? await loadSources(binUrl) : await Config.load({root: fileURLToPath(binUrl)})
    await run(argv, config)
    await flush()
  } catch (error) {
    if (isOclifExit(error)) {
      process.exitCode ??= error.oclif.exit
      return
    }

    reportError(error, wantsJson(argv))
  }
}

/**
 * The command line straight from src/, for bin/dev.js, where tsx is active already. oclif would take the committed
 * manifest for the truth, so that a new command does not exist, and would load hooks from dist/.
 */
async function loadSources(binUrl: string): Promise<Config> {
  settings.enableAutoTranspile = false
  const root = fileURLToPath(new URL('..', binUrl))
  const pjson = JSON.parse(readFileSync(`${root}/package.json`, 'utf8').replaceAll('./dist/', './src/'))
  const plugin = new Plugin({ignoreManifest: true, isRoot: true, pjson, root})
  await plugin.load()
  return Config.load({pjson, plugins: new Map([[plugin.name, plugin]]), root})
}

/** What oclif throws to end after help or version was printed. */
function isOclifExit(error: unknown): error is {code: 'EEXIT'; oclif: {exit: number}} {
  return error instanceof Error && (error as {code?: string}).code === 'EEXIT'
}
