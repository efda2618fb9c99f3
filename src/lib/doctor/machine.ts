/** CAP_… numbers of include/uapi/linux/capability.h. */
export const Capability = {NetAdmin: 12, NetRaw: 13, SysAdmin: 21, Perfmon: 38, Bpf: 39} as const

/**
 * What the checks ask of a machine. They ask for features, never for a version number: distributions carry features back,
 * and leave configured ones out. Every answer is about this process in its own network namespace.
 */
export interface Machine {
  /** `uname -r`, only for people to read. */
  kernelRelease(): string
  hasCapability(number: number): boolean
  /** A kernel function or type by name, from the kernel's BTF (its modules' too). */
  hasKernelSymbol(name: string): boolean
  hasBtf(): boolean
  /** A line of /proc/filesystems. */
  hasFilesystem(name: string): boolean
  /** The type of something mounted, e.g. `cgroup2`. */
  isMounted(filesystem: string): boolean
  /** A file under /proc/sys as trimmed text; null when the kernel does not have it. */
  sysctl(name: string): string | null
  hasProgram(name: string): boolean
  hasLibrary(soname: string): boolean
  canCreateBpfMap(): boolean
  canRepairTcp(): boolean
  /** Runs `tc` with each of these argument lists in a network namespace that nobody else sees; true when all succeed. */
  canRunTc(...calls: string[][]): boolean
  /** A network namespace of its own can be made. */
  canMakeNamespace(): boolean
  /** A file of the build, e.g. `native/delay-line`. */
  isBuilt(path: string): boolean
  /** A dynamic module that nginx's configuration can load, e.g. `ngx_stream_module.so`. */
  hasNginxModule(name: string): boolean
}
