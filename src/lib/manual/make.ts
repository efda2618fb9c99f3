import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {completions} from './completion.js'
import type {Manifest, Topics} from './manifest.js'
import {manPages} from './man-page.js'

/**
 * The end of the build: manual pages and completions from what the help is made from.
 *
 *     node make.js oclif.manifest.json package.json DIRECTORY
 */
const [manifestFile, packageFile, directory] = process.argv.slice(2)
const manifest = JSON.parse(readFileSync(manifestFile, 'utf8')) as Manifest
const {oclif} = JSON.parse(readFileSync(packageFile, 'utf8')) as {oclif: {topics: Topics}}

function write(place: string, files: Iterable<[string, string]>): void {
  mkdirSync(join(directory, place), {recursive: true})
  for (const [name, text] of files) writeFileSync(join(directory, place, name), text)
}

write('man', manPages(manifest, oclif.topics))
write('completion', Object.entries(completions(manifest, oclif.topics)))
