/** What `overlay config example` can be asked for. */
export const EXAMPLES = ['edge', 'gateway', 'pair'] as const
export type Example = (typeof EXAMPLES)[number]

const HEAD = `# Configuration of overlay on this host: overlay config check FILE says what is wrong with it.
# Commented keys show their defaults. Durations: ms, s, m, h.
`

/** Keys that edge and gateway share, all with their defaults. */
const COMMON = `  # processes: 1                # relay processes; as many as there are CPUs when left out
  # zeroRtt: true               # zero-RTT handshake on the middle leg
  # interfaces: [eth1]          # of the middle leg; found from the routing table when left out
  # congestionControl: bbr      # of the middle leg; the host's when left out
  # initialWindow: 0            # of the middle leg, segments; 0 is the kernel's
  # idleTimeout: 1h             # a connection without a byte for so long is reset
  # connectTimeout: 10s         # for the far side to be reached
  # drainTimeout: 30s           # that open connections get after SIGTERM
  # shutdownDrainTimeout: 30s   # the same when systemd is shutting the host down; drainTimeout when left out
  # maxConnections: 100000      # of one process; half of its descriptors when left out
  # metrics:                    # for Prometheus, at http://ADDRESS:PORT/metrics; nowhere when left out
  #   listen: 127.0.0.1:9464    # whoever reaches it may read it
`

const EDGE = `edge:
  keyFile: /etc/overlay/keys    # overlay key new FILE; the same file on every host
  services:                     # each: one listener, one origin, gateways in order of preference
    - name: web
      listen: 0.0.0.0:443       # where clients connect; "[::]:443" for IPv6
      origin: 10.9.0.5:443      # where the gateway connects to for them
      gateways: [203.0.113.9:7000, 198.51.100.9:7000]
      # maxConnections: 0       # of this service in one process at a time; 0 is no limit
      # maxRate: 0              # new ones a second
${COMMON}  # confirmTimeout: 1s          # beyond the round trip, after which a silent gateway is given up
  # healthInterval: 2s          # between health checks of a gateway
  # maxClientConnections: 50000 # of one client in one process; half of maxConnections when left out, 0 is no limit
  # maxClientRate: 5000         # new ones a second
  # retryOtherGateway: true     # also when the silent one may have passed the first bytes on
`

const GATEWAY = `gateway:
  keyFile: /etc/overlay/keys
  listen: 203.0.113.9:7000      # where edges connect; or a list
  allowOrigins:                 # what edges may reach, and nothing else; PORT may be a range or *
    - 10.9.0.0/24:443
    - "[fd00:9::]/64:8000-8099"
${COMMON}  # preambleTimeout: 5s         # in which a connection must show its preamble
  # maxPending: 4096            # connections of one process that have shown none
  # maxOriginConnections: 0     # to one origin in one process; 0 is no limit
  # maxOriginRate: 0            # new ones a second
  # echo: 203.0.113.9:7009      # where probes that hold the key may ask how their packets arrived
`

const PAIR = `# One of the two servers of a gateway region: member a. On the other one member is b, listen and peer change
# places, and so do the peers of virtualAddresses. An edge region is the same under edge.
gateway:
  keyFile: /etc/overlay/keys    # the same file on both
  listen: 203.0.113.9:7000      # a virtual address
  allowOrigins: [10.9.0.0/24:443]
  pair:
    member: a
    listen: 192.168.7.1:7900    # this end of the replication link, on a network of its own
    peer: 192.168.7.2:7900      # the other end
    virtualAddresses:           # that the two hold in turn; peer: the other server's own address there
      - {address: 203.0.113.9/24, peer: 203.0.113.12}
      - {address: 10.9.0.1/24, peer: 10.9.0.12}
    # onBackupLoss: solo        # without a backup: solo goes on alone, stall acknowledges nothing
    # heartbeat: 10ms
    # lease: 250ms              # five heartbeats at least
    # takeover: 400ms           # 50ms more than the lease at least
    # journalLimit: 268435456   # memory of a backup's journals, bytes
    # coordination:             # etcd decides who owns the addresses
    #   etcd:
    #     endpoints: [https://etcd1:2379, https://etcd2:2379, https://etcd3:2379]
    #     name: gateway-1       # both members have the same
    #     prefix: /overlay/pairs
    #     ttl: 10s              # of the owner's lease in etcd; 2s at least
    #     caFile: /etc/overlay/etcd-ca.pem
    #     certFile: /etc/overlay/etcd.pem
    #     keyFile: /etc/overlay/etcd-key.pem
`

/** A configuration file with comments that is valid as it stands. @param example all of a host's roles when not given */
export function exampleConfig(example?: Example): string {
  switch (example) {
    case 'edge': {
      return HEAD + EDGE
    }

    case 'gateway': {
      return HEAD + GATEWAY
    }

    case 'pair': {
      return HEAD + PAIR
    }

    default: {
      return `${HEAD}# A host has one of the two sections, or both.\n${EDGE}\n${GATEWAY}`
    }
  }
}
