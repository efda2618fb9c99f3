#!/usr/bin/env node
import {runCli} from '../dist/lib/cli/run.js'

await runCli(process.argv.slice(2), import.meta.url)
