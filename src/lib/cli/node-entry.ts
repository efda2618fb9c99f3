import {createRequire} from 'node:module'
import {fileURLToPath, pathToFileURL} from 'node:url'

const root = new URL('../../../', import.meta.url)

/** True when this runs from src/ through tsx: under bin/dev.js and in tests. */
const fromSources = import.meta.url.endsWith('.ts')

/** `npm test` sets it: its processes are of what was built, as users run it, and start in a third of the time. */
const startsBuilt = process.env.OVERLAY_START_BUILT === '1'

const sources = fileURLToPath(new URL('src/', root))

/**
 * The command line that runs a module of overlay as a process of its own.
 *
 * @param module its place, spelled with `.js`: `new URL('origin-process.js', import.meta.url)`
 */
export function nodeCommand(module: URL): string[] {
  const path = fileURLToPath(module)
  if (!fromSources) return [process.execPath, path]
  if (startsBuilt && path.startsWith(sources)) return [process.execPath, builtFile(path.slice(sources.length))]
  return [process.execPath, '--import', tsxLoader(), path.replace(/\.js$/, '.ts')]
}

/** The command line of `overlay` itself, for a process in another network namespace. */
export function overlayCommand(...words: string[]): string[] {
  if (!fromSources || startsBuilt) return [process.execPath, fileURLToPath(new URL('bin/run.js', root)), ...words]
  return [process.execPath, '--import', tsxLoader(), fileURLToPath(new URL('bin/dev.js', root)), ...words]
}

function tsxLoader(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
}

/** The path of a file that scripts/build.sh made. @param place in dist/, e.g. `native/delay-line` */
export function builtFile(place: string): string {
  return fileURLToPath(new URL(`dist/${place}`, root))
}
