#!/usr/bin/env -S node --import tsx
import {runCli} from '../src/lib/cli/run.ts'

await runCli(process.argv.slice(2), import.meta.url, {development: true})
