// A program of two commands over the built base command: what every command of overlay inherits, tested as a process.
import {runCli} from '../../../dist/lib/cli/run.js'

await runCli(process.argv.slice(2), import.meta.url)
