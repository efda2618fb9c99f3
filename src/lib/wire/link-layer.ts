/** Link types of captures (tcpdump.org/linktypes.html) whose frames are understood. */
export const LinkType = {
  Ethernet: 1,
  /** DLT_RAW as Linux numbers it, and LINKTYPE_RAW as files do. */
  RawLinux: 12,
  Raw: 101,
  LinuxCooked: 113,
  LinuxCooked2: 276,
} as const

/** Bytes before the IP packet, and where the EtherType stands in them. */
const LAYOUT: Record<number, [header: number, type: number]> = {
  [LinkType.Ethernet]: [14, 12],
  [LinkType.LinuxCooked]: [16, 14],
  [LinkType.LinuxCooked2]: [20, 0],
}
const ETHERTYPES_IP = new Set([0x0800, 0x86dd])
const ETHERTYPES_VLAN = new Set([0x8100, 0x88a8])
const VLAN_TAG_BYTES = 4

/**
 * The IP packet in a captured frame, with up to two VLAN tags before it. Null for another protocol, a link type that is
 * not one of {@link LinkType}, and what is cut off before the IP header.
 */
export function ipOfFrame(linkType: number, frame: Uint8Array): Uint8Array | null {
  if (linkType === LinkType.Raw || linkType === LinkType.RawLinux) return frame.length > 0 ? frame : null
  const layout = LAYOUT[linkType]
  if (!layout) return null
  let [at, typeAt] = layout
  for (let tags = 0; tags <= 2; tags++) {
    if (frame.length <= at) return null
    const type = (frame[typeAt] << 8) | frame[typeAt + 1]
    if (ETHERTYPES_IP.has(type)) return frame.subarray(at)
    if (!ETHERTYPES_VLAN.has(type)) return null
    at += VLAN_TAG_BYTES
    typeAt = at - 2
  }

  return null
}
