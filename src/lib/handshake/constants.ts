/** SO_MARK of a socket whose SYN the edge's programs leave alone: an ordinary handshake (bpf/handshake-edge.bpf.c). */
export const ORDINARY_MARK = 0x4f_56_00_01

/** Version of the option bits and of the number's making. */
export const PROTOCOL_VERSION = 1

/** What both ends take for granted of the gateway in version 1 (bpf/suggested-isn.h). */
export const GATEWAY_WINDOW_SCALE = 10
export const GATEWAY_SYN_WINDOW = 65_535

/** Name of the congestion control in bpf/overlay-bbr.bpf.c. */
export const OVERLAY_BBR = 'overlay_bbr'

/**
 * Layout of the pinned maps. Raised when a map of bpf/*.bpf.c changes its key, value or size: what an older overlay pinned
 * is then taken down instead of adopted.
 */
export const MAP_LAYOUT = 1

/** Where overlay's filters sit among others: one handle, and a priority for each role. */
export const TC_HANDLE = 1
export const TC_PRIORITY = {edge: 20_310, gateway: 20_311} as const

export type Role = keyof typeof TC_PRIORITY
