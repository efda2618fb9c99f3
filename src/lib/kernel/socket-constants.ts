/** Numbers of the Linux socket interface that Node does not export; the same on x86_64 and arm64. */
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2_000_000

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_KEEPALIVE = 9
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const SO_MARK = 36
export const SO_COOKIE = 57

export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const TCP_INFO = 11
export const TCP_QUICKACK = 12
export const TCP_CONGESTION = 13
/** Linux 6.15. */
export const TCP_RTO_MIN_US = 45

export const IPPROTO_IP = 0
export const IP_FREEBIND = 15
export const IP_BIND_ADDRESS_NO_PORT = 24
export const IP_LOCAL_PORT_RANGE = 51

export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26
export const IPV6_FREEBIND = 78

export const MSG_PEEK = 0x2
/** TCP: received bytes are dropped without being copied (tcp(7)). */
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x40_00
export const MSG_MORE = 0x80_00

export const SHUT_WR = 1
export const SHUT_RDWR = 2

export const EPOLL_CTL_ADD = 1
export const EPOLLIN = 0x1
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x20_00
export const EPOLLET = 0x80_00_00_00
