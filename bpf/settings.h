/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What user space tells the programs, in one map of one entry; src/lib/handshake/settings.ts writes the same bytes. */
#ifndef OVERLAY_SETTINGS_H
#define OVERLAY_SETTINGS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "counters.h"

#define CONGESTION_NAME_LEN 16

struct settings {
	__u64 key[2][2];	/* SipHash keys: current, previous; little-endian halves */
	__u64 netns_cookie;	/* the network namespace served: sock_ops programs see every socket of a cgroup */
	__u32 key_count;	/* 1 or 2 */
	__s32 clock_offset_s;	/* added to the clock, to see what a wrong one does; 0 outside tests */
	__u32 mss_ipv4;		/* the gateway's own MSS, or what an edge assumes of one it has not heard yet */
	__u32 mss_ipv6;
	__u32 rtt_guess_ms;	/* gateway: for an edge not heard before; one second at the most */
	__u32 initial_window;	/* segments; 0: the kernel's */
	__u32 keepalive;	/* edge: 1 resends the opening by keep-alive probes until the gateway answers */
	__u32 reserved;
	char congestion_from[CONGESTION_NAME_LEN]; /* sockets that use this congestion control … */
	char congestion_to[CONGESTION_NAME_LEN];   /* … use this one on the middle leg; empty: leave alone */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

static __always_inline struct settings *get_settings(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

#endif
