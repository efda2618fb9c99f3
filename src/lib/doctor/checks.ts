import {Capability, type Machine} from './machine.js'
import type {Check, Role} from './schema.js'

/** A row of the table: {@link Check} before it was tried. `remedy` is shown when `probe` says no. */
export interface CheckDefinition extends Omit<Check, 'present' | 'remedy'> {
  remedy: string
  probe(machine: Machine): boolean
}

/** The planes that put BPF programs on an interface. */
const DATAPATH: Role[] = ['edge', 'gateway', 'failover', 'lab']

const capabilities: CheckDefinition[] = [
  {
    name: 'cap-net-admin',
    title: 'capability CAP_NET_ADMIN',
    needs: ['edge', 'gateway', 'failover', 'probe', 'lab'],
    required: true,
    remedy: 'run as root, or add AmbientCapabilities=CAP_NET_ADMIN to the service',
    probe: (machine) => machine.hasCapability(Capability.NetAdmin),
  },
  {
    name: 'cap-net-raw',
    title: 'capability CAP_NET_RAW',
    needs: ['edge', 'gateway', 'failover', 'probe', 'lab'],
    required: true,
    remedy: 'run as root, or add AmbientCapabilities=CAP_NET_RAW to the service',
    probe: (machine) => machine.hasCapability(Capability.NetRaw),
  },
  {
    name: 'cap-bpf',
    title: 'capabilities CAP_BPF and CAP_PERFMON',
    needs: DATAPATH,
    required: true,
    minimumKernel: '5.8',
    remedy: 'run as root, or add AmbientCapabilities=CAP_BPF CAP_PERFMON to the service',
    // Before 5.8, and still today, CAP_SYS_ADMIN stands for both (kernel/bpf, bpf_capable).
    probe: (machine) =>
      machine.hasCapability(Capability.SysAdmin) ||
      (machine.hasCapability(Capability.Bpf) && machine.hasCapability(Capability.Perfmon)),
  },
  {
    name: 'cap-sys-admin',
    title: 'capability CAP_SYS_ADMIN',
    needs: ['lab'],
    required: true,
    remedy: 'run as root, in a container with --privileged: network namespaces and mounts need it',
    probe: (machine) => machine.hasCapability(Capability.SysAdmin),
  },
]

const bpf: CheckDefinition[] = [
  {
    name: 'bpf-syscall',
    title: 'bpf(2) is there and permitted',
    needs: DATAPATH,
    required: true,
    minimumKernel: '4.4',
    remedy: 'boot a kernel with CONFIG_BPF_SYSCALL, allow bpf in the container (seccomp), and run as root',
    probe: (machine) => machine.canCreateBpfMap(),
  },
  {
    name: 'btf',
    title: 'type information of the kernel (BTF)',
    needs: DATAPATH,
    required: true,
    minimumKernel: '5.4',
    remedy: 'boot a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container, mount /sys',
    probe: (machine) => machine.hasBtf(),
  },
  {
    name: 'tc-bpf',
    title: 'qdisc clsact and classifier cls_bpf',
    needs: DATAPATH,
    required: true,
    minimumKernel: '4.5',
    remedy: 'boot a kernel with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF (modules sch_ingress, cls_bpf)',
    // One classic-BPF instruction, "return 0", is enough to see that the classifier exists.
    probe: (machine) =>
      machine.canRunTc(
        ['qdisc', 'add', 'dev', 'lo', 'clsact'],
        ['filter', 'add', 'dev', 'lo', 'ingress', 'bpf', 'da', 'bytecode', '1,6 0 0 0'],
      ),
  },
  {
    name: 'bpffs',
    title: 'file system bpf, where attached programs outlive the process',
    needs: DATAPATH,
    required: true,
    minimumKernel: '4.4',
    remedy: 'boot a kernel with CONFIG_BPF_SYSCALL',
    probe: (machine) => machine.hasFilesystem('bpf'),
  },
  {
    name: 'bpf-ktime-get-tai-ns',
    title: 'BPF helper bpf_ktime_get_tai_ns',
    needs: DATAPATH,
    required: true,
    minimumKernel: '6.1',
    remedy: 'boot kernel 6.1 or later',
    probe: (machine) => machine.hasKernelSymbol('BPF_FUNC_ktime_get_tai_ns'),
  },
  {
    name: 'bpf-sk-assign-tcp-reqsk',
    title: 'BPF kernel function bpf_sk_assign_tcp_reqsk',
    needs: ['gateway', 'failover', 'lab'],
    required: true,
    minimumKernel: '6.9',
    remedy: 'boot kernel 6.9 or later with CONFIG_SYN_COOKIES=y',
    probe: (machine) => machine.hasKernelSymbol('bpf_sk_assign_tcp_reqsk'),
  },
  {
    name: 'bpf-struct-ops',
    title: 'congestion control written in BPF (struct_ops)',
    needs: ['edge'],
    required: false,
    effect: 'with BBR the middle leg is slow for its first 10 s; choose cubic or reno there',
    minimumKernel: '5.6',
    remedy: 'boot a kernel with CONFIG_BPF_JIT=y and BTF',
    probe: (machine) => machine.hasKernelSymbol('bpf_struct_ops_tcp_congestion_ops'),
  },
  {
    name: 'bbr-kfuncs',
    title: 'BBR as functions that BPF can call (bbr_main, …)',
    needs: ['edge'],
    required: false,
    effect: 'with BBR the middle leg is slow for its first 10 s; choose cubic or reno there',
    minimumKernel: '5.13',
    remedy: 'modprobe tcp_bbr',
    probe: (machine) => ['bbr_init', 'bbr_main'].every((name) => machine.hasKernelSymbol(name)),
  },
  {
    name: 'cgroup2',
    title: 'cgroup v2 is mounted, for sock_ops programs',
    needs: ['edge'],
    required: false,
    effect: 'the initial window of the middle leg stays at 10 segments unless the route says otherwise (initcwnd)',
    minimumKernel: '4.13',
    remedy: 'mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2',
    probe: (machine) => machine.isMounted('cgroup2'),
  },
]

const tcp: CheckDefinition[] = [
  ...(['tcp_timestamps', 'tcp_sack', 'tcp_window_scaling'] as const).map((key): CheckDefinition => ({
    name: key.replaceAll('_', '-'),
    title: `net.ipv4.${key} is on`,
    needs: ['edge', 'gateway', 'failover'],
    required: true,
    remedy: `sysctl -w net.ipv4.${key}=1`,
    probe: (machine) => isAtLeast(machine.sysctl(`net.ipv4.${key}`), 1),
  })),
  {
    name: 'tcp-syncookies',
    title: 'net.ipv4.tcp_syncookies is 1 or 2',
    needs: ['gateway', 'failover'],
    required: true,
    remedy: 'sysctl -w net.ipv4.tcp_syncookies=1',
    probe: (machine) => isAtLeast(machine.sysctl('net.ipv4.tcp_syncookies'), 1),
  },
  {
    name: 'conntrack-loose',
    title: 'connection tracking is off or accepts early data (nf_conntrack_tcp_loose)',
    needs: ['gateway', 'failover'],
    required: true,
    remedy: 'sysctl -w net.netfilter.nf_conntrack_tcp_loose=1, or exempt the gateway port from tracking (nft: notrack)',
    // No such key: the module is not loaded.
    probe: (machine) => isAtLeast(machine.sysctl('net.netfilter.nf_conntrack_tcp_loose') ?? '1', 1),
  },
  {
    name: 'tcp-repair',
    title: 'a TCP socket enters repair mode (TCP_REPAIR)',
    needs: ['failover'],
    required: true,
    minimumKernel: '4.8',
    remedy: 'run as root on a kernel with CONFIG_CHECKPOINT_RESTORE or 3.5 and later',
    probe: (machine) => machine.canRepairTcp(),
  },
  {
    name: 'pipe-size',
    title: 'pipes of 1 MiB (fs.pipe-max-size)',
    needs: ['edge', 'gateway'],
    required: false,
    effect: 'bulk transfers splice through smaller pipes and cost more CPU',
    remedy: 'sysctl -w fs.pipe-max-size=1048576',
    probe: (machine) => isAtLeast(machine.sysctl('fs.pipe-max-size'), 1 << 20),
  },
]

const lab: CheckDefinition[] = [
  {
    name: 'network-namespaces',
    title: 'a network namespace can be made',
    needs: ['lab'],
    required: true,
    minimumKernel: '3.0',
    remedy: 'run as root on a kernel with CONFIG_NET_NS=y; in a container, with --privileged',
    probe: (machine) => machine.canMakeNamespace(),
  },
  {
    name: 'delay-line',
    title: 'the delay line of this build',
    needs: ['lab'],
    required: true,
    remedy: 'npm run build',
    probe: (machine) => machine.isBuilt('native/delay-line'),
  },
  {
    name: 'netem',
    title: 'qdisc netem',
    needs: ['lab'],
    required: false,
    effect: 'links use the delay line of overlay itself',
    minimumKernel: '2.6',
    remedy: 'boot a kernel with CONFIG_NET_SCH_NETEM (Debian: linux-image-amd64; Ubuntu: linux-modules-extra)',
    probe: (machine) => machine.canRunTc(['qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']),
  },
]

/** A program, and the Debian package it comes in. */
function program(name: string, debian: string, needs: Role[], effect?: string): CheckDefinition {
  return {
    name: `program-${name}`,
    title: `program ${name}`,
    needs,
    required: effect === undefined,
    effect,
    remedy: `apt-get install ${debian}`,
    probe: (machine) => machine.hasProgram(name),
  }
}

function library(soname: string, debian: string, needs: Role[]): CheckDefinition {
  return {
    name: `library-${soname.split('.')[0]}`,
    title: `shared library ${soname}`,
    needs,
    required: true,
    remedy: `apt-get install ${debian}`,
    probe: (machine) => machine.hasLibrary(soname),
  }
}

const NO_COMPARISON = 'overlay bench handshake leaves out what needs it'

const installed: CheckDefinition[] = [
  library('libbpf.so.1', 'libbpf1', DATAPATH),
  library('libpcap.so.0.8', 'libpcap0.8', ['probe', 'lab']),
  program('ip', 'iproute2', ['failover', 'lab']),
  program('tc', 'iproute2', ['lab']),
  program('ethtool', 'ethtool', ['lab']),
  program('nft', 'nftables', ['probe']),
  program('haproxy', 'haproxy', ['lab'], NO_COMPARISON),
  program('nginx', 'nginx', ['lab'], NO_COMPARISON),
  {
    name: 'nginx-stream',
    title: 'the stream module of nginx',
    needs: ['lab'],
    required: false,
    effect: NO_COMPARISON,
    remedy: 'apt-get install libnginx-mod-stream',
    probe: (machine) => machine.hasNginxModule('ngx_stream_module.so'),
  },
  program('curl', 'curl', ['lab'], 'npm run demo has no client'),
]

/** Every check, in the order in which they are printed. */
export const CHECKS: readonly CheckDefinition[] = [...capabilities, ...bpf, ...tcp, ...lab, ...installed]

function isAtLeast(text: string | null, least: number): boolean {
  return text !== null && Number(text) >= least
}
