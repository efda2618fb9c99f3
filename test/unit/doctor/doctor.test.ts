import {expect} from 'chai'
import {fileURLToPath} from 'node:url'

import {CHECKS} from '../../../src/lib/doctor/checks.js'
import {examine, lacking} from '../../../src/lib/doctor/examine.js'
import {Capability, type Machine} from '../../../src/lib/doctor/machine.js'
import {renderDoctor} from '../../../src/lib/doctor/render.js'
import {ROLES, doctorSchema, type Role} from '../../../src/lib/doctor/schema.js'
import {thisMachine} from '../../../src/lib/doctor/this-machine.js'

/** A machine that has everything, but for what a test takes away. */
function machine(without: Partial<Machine> = {}): Machine {
  return {
    kernelRelease: () => '6.18.0-test',
    hasCapability: () => true,
    hasKernelSymbol: () => true,
    hasBtf: () => true,
    hasFilesystem: () => true,
    isMounted: () => true,
    sysctl: () => '1048576',
    hasProgram: () => true,
    hasLibrary: () => true,
    canCreateBpfMap: () => true,
    canRepairTcp: () => true,
    canRunTc: () => true,
    canMakeNamespace: () => true,
    isBuilt: () => true,
    hasNginxModule: () => true,
    ...without,
  }
}

const lacksSymbol = (name: string): Partial<Machine> => ({hasKernelSymbol: (asked) => asked !== name})
const lacksCapability = (number: number): Partial<Machine> => ({hasCapability: (asked) => asked !== number})
const hasSysctl = (name: string, value: string | null): Partial<Machine> => ({
  sysctl: (asked) => (asked === name ? value : '1048576'),
})

interface Row {
  what: string
  without: Partial<Machine>
  /** The checks that must be absent, and no others. */
  absent: string[]
  /** The roles that must no longer be ready, and no others. */
  spoils: Role[]
}

const datapath: Role[] = ['edge', 'gateway', 'failover', 'lab']
const rows: Row[] = [
  {what: 'CAP_NET_ADMIN', without: lacksCapability(Capability.NetAdmin), absent: ['cap-net-admin'], spoils: [...ROLES]},
  {what: 'CAP_NET_RAW', without: lacksCapability(Capability.NetRaw), absent: ['cap-net-raw'], spoils: [...ROLES]},
  {what: 'CAP_SYS_ADMIN', without: lacksCapability(Capability.SysAdmin), absent: ['cap-sys-admin'], spoils: ['lab']},
  {
    what: 'CAP_BPF and CAP_SYS_ADMIN',
    without: {hasCapability: (number) => number !== Capability.Bpf && number !== Capability.SysAdmin},
    absent: ['cap-bpf', 'cap-sys-admin'],
    spoils: datapath,
  },
  {what: 'bpf(2)', without: {canCreateBpfMap: () => false}, absent: ['bpf-syscall'], spoils: datapath},
  {what: 'BTF', without: {hasBtf: () => false}, absent: ['btf'], spoils: datapath},
  {
    what: 'clsact',
    without: {canRunTc: (...calls) => !calls[0].includes('clsact')},
    absent: ['tc-bpf'],
    spoils: datapath,
  },
  {what: 'netem', without: {canRunTc: (...calls) => !calls[0].includes('netem')}, absent: ['netem'], spoils: []},
  {what: 'bpffs', without: {hasFilesystem: () => false}, absent: ['bpffs'], spoils: datapath},
  {
    what: 'bpf_ktime_get_tai_ns',
    without: lacksSymbol('BPF_FUNC_ktime_get_tai_ns'),
    absent: ['bpf-ktime-get-tai-ns'],
    spoils: datapath,
  },
  {
    what: 'bpf_sk_assign_tcp_reqsk',
    without: lacksSymbol('bpf_sk_assign_tcp_reqsk'),
    absent: ['bpf-sk-assign-tcp-reqsk'],
    spoils: ['gateway', 'failover', 'lab'],
  },
  {
    what: 'struct_ops',
    without: lacksSymbol('bpf_struct_ops_tcp_congestion_ops'),
    absent: ['bpf-struct-ops'],
    spoils: [],
  },
  {what: 'BBR', without: lacksSymbol('bbr_main'), absent: ['bbr-kfuncs'], spoils: []},
  {what: 'a cgroup2 mount', without: {isMounted: () => false}, absent: ['cgroup2'], spoils: []},
  ...['tcp_timestamps', 'tcp_sack', 'tcp_window_scaling'].map((key): Row => ({
    what: key,
    without: hasSysctl(`net.ipv4.${key}`, '0'),
    absent: [key.replaceAll('_', '-')],
    spoils: ['edge', 'gateway', 'failover'],
  })),
  {
    what: 'SYN cookies',
    without: hasSysctl('net.ipv4.tcp_syncookies', '0'),
    absent: ['tcp-syncookies'],
    spoils: ['gateway', 'failover'],
  },
  {
    what: 'SYN cookies in the kernel',
    without: hasSysctl('net.ipv4.tcp_syncookies', null),
    absent: ['tcp-syncookies'],
    spoils: ['gateway', 'failover'],
  },
  {
    what: 'loose connection tracking',
    without: hasSysctl('net.netfilter.nf_conntrack_tcp_loose', '0'),
    absent: ['conntrack-loose'],
    spoils: ['gateway', 'failover'],
  },
  {
    what: 'connection tracking',
    without: hasSysctl('net.netfilter.nf_conntrack_tcp_loose', null),
    absent: [],
    spoils: [],
  },
  {what: 'TCP_REPAIR', without: {canRepairTcp: () => false}, absent: ['tcp-repair'], spoils: ['failover']},
  {what: 'large pipes', without: hasSysctl('fs.pipe-max-size', '65536'), absent: ['pipe-size'], spoils: []},
  {what: 'namespaces', without: {canMakeNamespace: () => false}, absent: ['network-namespaces'], spoils: ['lab']},
  {what: 'the delay line', without: {isBuilt: () => false}, absent: ['delay-line'], spoils: ['lab']},
  {
    what: 'libbpf',
    without: {hasLibrary: (name) => name !== 'libbpf.so.1'},
    absent: ['library-libbpf'],
    spoils: datapath,
  },
  {
    what: 'libpcap',
    without: {hasLibrary: (name) => name !== 'libpcap.so.0.8'},
    absent: ['library-libpcap'],
    spoils: ['probe', 'lab'],
  },
  ...(
    [
      ['ip', ['failover', 'lab']],
      ['tc', ['lab']],
      ['ethtool', ['lab']],
      ['nft', ['probe']],
      ['haproxy', []],
      ['nginx', []],
      ['curl', []],
    ] as [string, Role[]][]
  ).map(([name, spoils]): Row => ({
    what: `the program ${name}`,
    without: {hasProgram: (asked) => asked !== name},
    absent: [`program-${name}`],
    spoils,
  })),
  {what: "nginx's stream module", without: {hasNginxModule: () => false}, absent: ['nginx-stream'], spoils: []},
]

describe('doctor', () => {
  it('finds a machine that has everything ready for every role', () => {
    const report = doctorSchema.parse(examine(machine(), ROLES))
    expect(report.checks.every((check) => check.present && check.remedy === undefined)).to.equal(true)
    expect(lacking(report)).to.deep.equal([])
  })

  for (const {what, without, absent, spoils} of rows) {
    it(`without ${what}: ${spoils.length === 0 ? 'every role is still ready' : `not ready for ${spoils.join(', ')}`}`, () => {
      const report = doctorSchema.parse(examine(machine(without), ROLES))
      const missing = report.checks.filter((check) => !check.present)
      expect(missing.map((check) => check.name)).to.deep.equal(absent)
      expect(missing.every((check) => check.remedy)).to.equal(true)
      expect(lacking(report).sort()).to.deep.equal([...spoils].sort())
    })
  }

  it('has a failing row above for every check', () => {
    expect(new Set(rows.flatMap((row) => row.absent))).to.deep.equal(new Set(CHECKS.map((check) => check.name)))
  })

  it('judges only by the roles asked for', () => {
    expect(lacking(examine(machine({canRepairTcp: () => false}), ['edge', 'gateway']))).to.deep.equal([])
    expect(lacking(examine(machine({canRepairTcp: () => false}), ['failover']))).to.deep.equal(['failover'])
  })

  it('prints what is absent with its remedy, and nothing about roles not asked for', () => {
    const text = renderDoctor(examine(machine(lacksSymbol('bpf_sk_assign_tcp_reqsk')), ['gateway']))
    expect(text).to.contain('NO').and.to.contain('try: boot kernel 6.9 or later')
    expect(text)
      .to.match(/^gateway\s+not ready$/m)
      .and.not.to.contain('netem')
  })

  it('answers every question about the machine that runs this test', () => {
    const report = doctorSchema.parse(
      examine(thisMachine(fileURLToPath(new URL('../../../dist', import.meta.url))), ROLES),
    )
    expect(report.checks).to.have.lengthOf(CHECKS.length)
    expect(report.checks.find((check) => check.name === 'program-ip')?.present).to.equal(true)
  })
})
