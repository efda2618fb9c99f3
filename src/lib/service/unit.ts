import type {RelayRole} from '../relay/run-directory.js'

/** The first line of a unit that `overlay service install` wrote. */
export const UNIT_MARK = '# made by overlay service install: change it with "systemctl edit", or install again'

/** What a unit depends on. */
export interface UnitFacts {
  role: RelayRole
  name: string
  /** The program: absolute paths of node and of overlay. */
  program: readonly string[]
  /** Absolute path of the configuration file. */
  config: string
  /** The longest that a drain may take. */
  drainTimeoutMs: number
  /** It listens on ports below 1024. */
  lowPorts: boolean
  /** Member of a pair. */
  pair: boolean
  /** It has a packet echo. */
  echo: boolean
  zeroRtt: boolean
  /** Some file that it needs lies under /home, /root or /run/user. */
  underHome: boolean
  /** Some file that it needs lies under /tmp or /var/tmp. */
  underTmp: boolean
}

/** The control process is taken for dead after this long, s; a relay process that does not answer counts too. */
const WATCHDOG_S = 30

/** After the drain deadline the processes get so long to say goodbye, s. */
const GOODBYE_S = 10

/** Descriptors of each process: two a connection. */
const DESCRIPTORS = 1_048_576

type Directive = readonly [line: string, why?: string]

/** `overlay-edge.service`, and for an instance of another name `overlay-edge-NAME.service`. */
export function unitName(role: RelayRole, name: string): string {
  return name === 'default' ? `overlay-${role}.service` : `overlay-${role}-${name}.service`
}

/**
 * The systemd unit of an edge or gateway, each directive with its reason. Pure. For systemd 247 and later; an older one
 * ignores what it does not know, with a line in its log.
 */
export function unitText(facts: UnitFacts): string {
  const {role, name} = facts
  const sections: [title: string, directives: readonly Directive[]][] = [
    [
      'Unit',
      [
        [`Description=overlay ${role}${name === 'default' ? '' : ` "${name}"`}`],
        ['Documentation=man:overlay(1)'],
        ['After=network-online.target', 'the addresses to listen on and the routes to gateways must be there'],
        ['Wants=network-online.target'],
        ['StartLimitIntervalSec=0', 'a relay is wanted again however often it has failed'],
      ],
    ],
    ['Service', [...running(facts), ...capabilities(facts), ...fileSystem(facts), ...kernel(facts)]],
    ['Install', [['WantedBy=multi-user.target']]],
  ]
  const text = sections.map(([title, directives]) =>
    [`[${title}]`, ...directives.map((directive) => renderDirective(directive))].join('\n'),
  )
  return `${UNIT_MARK}\n\n${text.join('\n\n')}\n`
}

function running({role, name, program, config, drainTimeoutMs}: UnitFacts): Directive[] {
  const command = (...words: string[]): string => [...program, role, ...words].map((word) => unitWord(word)).join(' ')
  return [
    ['Type=notify', 'started means: the relay processes serve, and the first health checks have ended'],
    ['NotifyAccess=main'],
    [`ExecStart=${command('start', '--name', name, '--config', config)}`],
    [
      `ExecReload=${command('reload', '--name', name)}`,
      'checks everything first; fails with the reason, and the service goes on as it was',
    ],
    ['Restart=on-failure'],
    ['RestartSec=1'],
    [
      `WatchdogSec=${WATCHDOG_S}`,
      'fed every third of it by the control process, for as long as every relay process answers',
    ],
    ['KillMode=mixed', 'SIGTERM to the control process alone: it drains'],
    [
      `TimeoutStopSec=${Math.ceil(drainTimeoutMs / 1000) + GOODBYE_S}`,
      `the longer drain timeout, and ${GOODBYE_S} s: install again when it changes`,
    ],
    [`LimitNOFILE=${DESCRIPTORS}`, 'two descriptors a connection'],
    ['OOMScoreAdjust=-500', 'other programs go first when memory runs out'],
    ['UMask=0077'],
  ]
}

function capabilities({lowPorts, zeroRtt, pair, echo, role}: UnitFacts): Directive[] {
  const wanted: Directive[] = []
  const needs: string[] = []
  const need = (capability: string, why: string): void => {
    needs.push(capability)
    wanted.push([`# ${capability}: ${why}`])
  }

  if (zeroRtt || pair) {
    need('CAP_NET_ADMIN', `${pair ? 'TC filters, addresses, TCP_REPAIR' : 'TC filters'}, congestion control, SO_MARK`)
    need('CAP_BPF', 'BPF programs and maps')
    need('CAP_PERFMON', 'struct_ops programs (overlay_bbr), which the kernel counts as tracing')
  }

  if (pair) need('CAP_NET_RAW', 'gratuitous ARP, the raw segments that move an acknowledgement')
  else if (echo) need('CAP_NET_RAW', 'the packet echo listens for the packets of probes')
  if (lowPorts) need('CAP_NET_BIND_SERVICE', `the ${role} listens on a port below 1024`)
  const list = needs.join(' ')
  return [
    ...wanted,
    [
      `CapabilityBoundingSet=${list}`,
      'root without the rest: it owns its files, and cannot pass over the modes of others',
    ],
    ['NoNewPrivileges=yes', 'no program that it starts (ip, ss) gains anything by set-uid'],
  ]
}

function fileSystem({pair, underHome, underTmp}: UnitFacts): Directive[] {
  return [
    ['ProtectSystem=strict', 'all is read-only but what is named here'],
    ['RuntimeDirectory=overlay', 'admin socket, replay window, epoch of a pair'],
    ['RuntimeDirectoryMode=0700'],
    [
      'RuntimeDirectoryPreserve=yes',
      'other instances have their files there, and the next start takes over what is in the kernel by these',
    ],
    ['ReadWritePaths=-/sys/fs/bpf', 'pinned BPF programs and maps, which outlive a restart'],
    ...(pair
      ? [
          [
            'ReadWritePaths=/proc/sys/net/ipv4',
            'tcp_tw_reuse, for the microseconds of a connect() in a takeover',
          ] as const,
        ]
      : []),
    underHome
      ? ['ProtectHome=read-only', 'program, configuration or keys lie in a home directory']
      : ['ProtectHome=yes'],
    underTmp ? ['PrivateTmp=no', 'program, configuration or keys lie in a temporary directory'] : ['PrivateTmp=yes'],
    ['PrivateDevices=yes'],
    ['ProtectControlGroups=yes'],
  ]
}

function kernel({pair, echo, zeroRtt}: UnitFacts): Directive[] {
  const calls = zeroRtt || pair ? '@system-service @pkey bpf' : '@system-service @pkey'
  return [
    ['ProtectKernelTunables=yes'],
    ['ProtectKernelModules=yes', 'those that setsockopt() or a TC filter ask for, the kernel loads itself'],
    ['ProtectKernelLogs=yes'],
    ['ProtectClock=yes'],
    ['ProtectHostname=yes'],
    ['ProtectProc=invisible'],
    ['RestrictNamespaces=yes'],
    ['RestrictRealtime=yes'],
    ['RestrictSUIDSGID=yes'],
    ['LockPersonality=yes'],
    ['RemoveIPC=yes'],
    [
      `RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK${pair || echo ? ' AF_PACKET' : ''}`,
      'relays, admin socket, rtnetlink for TC filters and routes',
    ],
    ['SystemCallArchitectures=native'],
    [`SystemCallFilter=${calls}`],
    ['SystemCallErrorNumber=EPERM'],
    ['# No MemoryDenyWriteExecute: the JIT compiler of Node writes code.'],
  ]
}

/** The reason stands in a line of its own: systemd takes a # behind a value for part of it. */
function renderDirective([line, why]: Directive): string {
  return why === undefined ? line : `# ${why}\n${line}`
}

/** A word of a command line in a unit (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers"). */
function unitWord(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  if (/^[\w%$+,./:=@-]+$/.test(escaped)) return escaped
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)}"`
}
