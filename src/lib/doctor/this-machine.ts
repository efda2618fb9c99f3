import {execFileSync} from 'node:child_process'
import {accessSync, constants, existsSync, readdirSync, readFileSync} from 'node:fs'
import {release} from 'node:os'
import {join} from 'node:path'

import {canCreateBpfMap, canLoadLibrary, canRepairTcp} from '../kernel/feature-probe.js'
import type {Machine} from './machine.js'

const BTF_DIRECTORY = '/sys/kernel/btf'
const NGINX_MODULES = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules', '/usr/share/nginx/modules']
/** Root's path may lack the sbin directories when it comes from sudo or cron. */
const PROGRAM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const DEADLINE_MS = 5000

/**
 * The machine that this process runs on.
 *
 * @param dist the directory of the build, where `bpf/` and `native/` are
 */
export function thisMachine(dist: string): Machine {
  const btf = readBtf()
  const capabilities = effectiveCapabilities()
  return {
    kernelRelease: () => release(),
    hasCapability: (number) => ((capabilities >> BigInt(number)) & 1n) === 1n,
    hasKernelSymbol: (name) => btf.some((blob) => blob.includes(`\0${name}\0`)),
    hasBtf: () => btf.length > 0,
    hasFilesystem: (name) => new RegExp(`(^|\\s)${name}$`, 'm').test(readText('/proc/filesystems')),
    isMounted: (filesystem) =>
      readText('/proc/self/mounts')
        .split('\n')
        .some((line) => line.split(' ')[2] === filesystem),
    sysctl(name) {
      const text = readText(`/proc/sys/${name.replaceAll('.', '/')}`).trim()
      return text === '' ? null : text
    },
    hasProgram: (name) => searchPath().some((directory) => isExecutable(join(directory, name))),
    hasLibrary: canLoadLibrary,
    canCreateBpfMap,
    canRepairTcp,
    canMakeNamespace: () => runUnshared('true', []),
    canRunTc: (...calls) => runUnshared('sh', ['-c', shellScript(calls)]),
    isBuilt: (path) => existsSync(join(dist, path)),
    hasNginxModule: (name) => NGINX_MODULES.some((directory) => existsSync(join(directory, name))),
  }
}

/** Runs a program in a network namespace that ends with it, so nothing is left behind however this ends. */
function runUnshared(program: string, args: string[]): boolean {
  try {
    execFileSync('unshare', ['--net', '--', program, ...args], {
      stdio: 'ignore',
      timeout: DEADLINE_MS,
      env: {...process.env, PATH: searchPath().join(':')},
    })
    return true
  } catch {
    return false
  }
}

/** `tc` with each of the argument lists, up to the first that fails. */
function shellScript(calls: string[][]): string {
  return calls.map((words) => ['tc', ...words].map((word) => quote(word)).join(' ')).join(' && ')
}

function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}

function searchPath(): string[] {
  return [...(process.env.PATH ?? '').split(':').filter(Boolean), ...PROGRAM_DIRECTORIES]
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The BTF of the kernel and of the modules loaded now: function and type names stand in it as NUL-terminated strings. */
function readBtf(): Buffer[] {
  try {
    return readdirSync(BTF_DIRECTORY).map((name) => readFileSync(join(BTF_DIRECTORY, name)))
  } catch {
    return []
  }
}

/** CapEff of proc(5). */
function effectiveCapabilities(): bigint {
  const match = /^CapEff:\s*([\da-f]+)$/m.exec(readText('/proc/self/status'))
  return match ? BigInt(`0x${match[1]}`) : 0n
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
