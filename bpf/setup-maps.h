/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the set-up plane of a pair knows; src/lib/gate/setup-maps.ts reads and writes the same bytes. */
#ifndef OVERLAY_SETUP_MAPS_H
#define OVERLAY_SETUP_MAPS_H

#include "gate-maps.h"
#include "suggested-isn.h"

/* Bits 8-9 of the options that are hashed: no number of the middle leg (PROTOCOL_VERSION) is ever one of ours. */
#define SETUP_WITH_TIMESTAMPS 2
#define SETUP_WITHOUT_TIMESTAMPS 3

/* In bits 0-3 of the options: the client offered no window scale. */
#define NO_WINDOW_SCALE 15

/* What the SYN/ACK offers and the child is built with. */
#define SETUP_WINDOW 65535
#define SETUP_WINDOW_SCALE 10

struct setup_settings {
	__u64 key[2][2]; /* SipHash keys: current, previous; little-endian halves */
	__u32 key_count; /* 1 or 2; 0: the plane does nothing */
	__u32 clock_offset_s; /* added to CLOCK_BOOTTIME, modulo 2^32; the two servers of a pair count the same seconds */
	__u32 mss_ipv4; /* offered; with timestamps and all */
	__u32 mss_ipv6;
	__u32 rtt_guess_ms; /* the child's RTT until it has measured */
	__u32 reserved;
};

/* Apart from the settings: the control process writes those, the relay process this. */
struct setup_role {
	__u32 owner; /* this server owns the virtual addresses */
	__u32 via;   /* SYNs go to the other server, which answers them */
};

struct listening_address {
	__be32 addr[4];
	__be16 port;
	__u16 reserved;
};

/* The other server's own address in the network of a virtual address. */
struct setup_peer {
	__be32 addr[4];
};

/* A SYN that this server has answered: numbers in host order. */
struct seen_syn {
	__u64 at; /* CLOCK_BOOTTIME ns */
	__u32 isn; /* the client's */
	__u32 iss; /* ours */
	__u32 tsval; /* ours; 0 without timestamps */
	__u32 client_tsval;
	__u32 options; /* as hashed */
	__u32 mss; /* that we offered */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct setup_settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} setup_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct setup_role);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} setup_role SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct virtual_address);
	__type(value, struct setup_peer);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} setup_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct listening_address);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} setup_listeners SEC(".maps");

/* Keyed as the gate's flows are: the virtual address is the local one. Bounded: the oldest go first. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct seen_syn);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} seen_syns SEC(".maps");

/* In the gate's map of counters, behind the gate's own. */
enum setup_counter {
	SETUP_HANDED_OVER = 16, /* SYNs given to the other server to answer */
	SETUP_ANSWERED,		/* SYNs answered here */
	SETUP_CHILD,		/* segments that made a child of the listener */
	SETUP_LATER_ACK,	/* of these, pure ACKs from behind the first byte, taken back to it */
	SETUP_LATER_DROPPED,	/* segments from behind the first byte: dropped, they come again */
	SETUP_UNVERIFIED,	/* segments for the listener that no key of ours made: left to the kernel */
	SETUP_CHILD_FAILED,	/* the kernel refused the child */
	SETUP_TIME_WAIT,	/* segments that ended an old connection in TIME-WAIT; the next makes the child */
	SETUP_NOT_OWNER,	/* segments for a virtual address that is not here */
};

#endif
