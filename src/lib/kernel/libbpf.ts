import koffi from 'koffi'
import {OverlayError} from '../errors/index.js'
import {errnoName, systemCallError} from './errno.js'

/**
 * libbpf.so.1 (the Debian package libbpf1), loaded when first used, so that commands that need no BPF run without it.
 * bpf-object.ts, bpf-map.ts and tc-filter.ts make something of it.
 */

export type Pointer = unknown

interface Libbpf {
  objectOpen(path: string, options: Buffer): Pointer
  objectLoad(object: Pointer): number
  objectClose(object: Pointer): void
  findMap(object: Pointer, name: string): Pointer
  findProgram(object: Pointer, name: string): Pointer
  setAutoload(program: Pointer, on: boolean): number
  programFd(program: Pointer): number
  mapFd(map: Pointer): number
  mapKeySize(map: Pointer): number
  mapValueSize(map: Pointer): number
  attachStructOps(map: Pointer): Pointer
  attachCgroup(program: Pointer, cgroupFd: number): Pointer
  linkOpen(path: string): Pointer
  linkPin(link: Pointer, path: string): number
  linkUpdate(link: Pointer, program: Pointer): number
  linkDisconnect(link: Pointer): void
  linkDestroy(link: Pointer): number
  update(fd: number, key: Buffer, value: Buffer, flags: number): number
  lookup(fd: number, key: Buffer, value: Buffer): number
  delete(fd: number, key: Buffer): number
  nextKey(fd: number, key: Buffer | null, next: Buffer): number
  objGet(path: string): number
  objInfo(fd: number, info: Buffer, length: Buffer): number
  mapNextId(id: number, next: Buffer): number
  mapFdById(id: number): number
  hookCreate(hook: Buffer): number
  hookDestroy(hook: Buffer): number
  tcAttach(hook: Buffer, options: Buffer): number
  tcDetach(hook: Buffer, options: Buffer): number
  tcQuery(hook: Buffer, options: Buffer): number
  testRun(fd: number, options: Buffer): number
}

let loaded: Libbpf | undefined

/** What libbpf printed lately, warnings and errors, the newest last; the cause in the errors thrown here. */
const log: string[] = []
const LOG_LINES = 12

/**
 * The library, loaded at the first call.
 *
 * @throws OverlayError PROGRAM_MISSING
 */
export function libbpf(): Libbpf {
  if (loaded) return loaded
  let lib
  try {
    lib = koffi.load('libbpf.so.1')
  } catch (error) {
    throw new OverlayError('PROGRAM_MISSING', 'libbpf.so.1 cannot be loaded', {
      cause: error,
      suggestions: ['apt-get install libbpf1'],
    })
  }

  captureMessages(lib)
  const f = (declaration: string) => lib.func(declaration) as never
  loaded = {
    objectOpen: f('void *bpf_object__open_file(const char *path, void *opts)'),
    objectLoad: f('int bpf_object__load(void *object)'),
    objectClose: f('void bpf_object__close(void *object)'),
    findMap: f('void *bpf_object__find_map_by_name(void *object, const char *name)'),
    findProgram: f('void *bpf_object__find_program_by_name(void *object, const char *name)'),
    setAutoload: f('int bpf_program__set_autoload(void *program, bool on)'),
    programFd: f('int bpf_program__fd(void *program)'),
    mapFd: f('int bpf_map__fd(void *map)'),
    mapKeySize: f('uint32_t bpf_map__key_size(void *map)'),
    mapValueSize: f('uint32_t bpf_map__value_size(void *map)'),
    attachStructOps: f('void *bpf_map__attach_struct_ops(void *map)'),
    attachCgroup: f('void *bpf_program__attach_cgroup(void *program, int cgroup_fd)'),
    linkOpen: f('void *bpf_link__open(const char *path)'),
    linkPin: f('int bpf_link__pin(void *link, const char *path)'),
    linkUpdate: f('int bpf_link__update_program(void *link, void *program)'),
    linkDisconnect: f('void bpf_link__disconnect(void *link)'),
    linkDestroy: f('int bpf_link__destroy(void *link)'),
    update: f('int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)'),
    lookup: f('int bpf_map_lookup_elem(int fd, const void *key, _Out_ uint8_t *value)'),
    delete: f('int bpf_map_delete_elem(int fd, const void *key)'),
    nextKey: f('int bpf_map_get_next_key(int fd, const void *key, _Out_ uint8_t *next)'),
    objGet: f('int bpf_obj_get(const char *path)'),
    objInfo: f('int bpf_obj_get_info_by_fd(int fd, _Inout_ uint8_t *info, _Inout_ uint8_t *length)'),
    mapNextId: f('int bpf_map_get_next_id(uint32_t id, _Out_ uint8_t *next)'),
    mapFdById: f('int bpf_map_get_fd_by_id(uint32_t id)'),
    hookCreate: f('int bpf_tc_hook_create(_Inout_ uint8_t *hook)'),
    hookDestroy: f('int bpf_tc_hook_destroy(_Inout_ uint8_t *hook)'),
    tcAttach: f('int bpf_tc_attach(const void *hook, _Inout_ uint8_t *opts)'),
    tcDetach: f('int bpf_tc_detach(const void *hook, const void *opts)'),
    tcQuery: f('int bpf_tc_query(const void *hook, _Inout_ uint8_t *opts)'),
    testRun: f('int bpf_prog_test_run_opts(int fd, _Inout_ uint8_t *opts)'),
  }
  return loaded
}

/** Keeps libbpf's warnings instead of letting them out on stderr. */
function captureMessages(lib: ReturnType<typeof koffi.load>): void {
  const printer = koffi.proto('int overlay_libbpf_print(int level, const char *format, void *arguments)')
  const vsnprintf = koffi
    .load('libc.so.6')
    .func('int vsnprintf(_Out_ uint8_t *out, size_t size, const char *format, void *arguments)')
  const out = Buffer.alloc(4096)
  const print = koffi.register((level: number, format: string, args: Pointer) => {
    const LIBBPF_WARN = 0
    if (level > LIBBPF_WARN) return 0
    const length = vsnprintf(out, out.length, format, args) as number
    const text = out.toString('utf8', 0, Math.min(Math.max(length, 0), out.length - 1))
    log.push(...text.split('\n').filter((line) => line.trim() !== ''))
    log.splice(0, Math.max(0, log.length - LOG_LINES))
    return 0
  }, koffi.pointer(printer))
  lib.func('void *libbpf_set_print(overlay_libbpf_print *print)')(print)
}

/** What libbpf has said since this was last asked. */
export function takeMessages(): string[] {
  return log.splice(0)
}

/** Null when libbpf can be loaded, else why not. */
export function libbpfProblem(): null | string {
  try {
    libbpf()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

export function libbpfFailure(what: string, code: number): never {
  const lines = takeMessages()
  const error = systemCallError(what, Math.abs(code))
  // The verifier says EACCES too, and then more than that.
  const verifier = lines.some((line) => line.includes('PROG LOAD LOG') || line.startsWith('processed '))
  if (error.code === 'PRIVILEGE_MISSING' && !verifier) throw error
  throw new OverlayError('KERNEL_FEATURE_MISSING', `${what}: the kernel refused it (${errnoName(Math.abs(code))})`, {
    cause: lines.length > 0 ? lines.join('\n') : undefined,
    suggestions: ['overlay doctor shows what this kernel lacks'],
  })
}
