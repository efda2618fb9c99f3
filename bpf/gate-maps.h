/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the ACK gate knows; src/lib/gate/gate-maps.ts reads and writes the same bytes. */
#ifndef OVERLAY_GATE_MAPS_H
#define OVERLAY_GATE_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* SO_MARK of the raw socket that raises gates (src/lib/gate/kick-packet.ts) */
#define KICK_MARK 0x4f560002
/* of SYN/ACKs and SYNs that are made without a socket: they bind nobody */
#define SETUP_MARK 0x4f560003

struct virtual_address {
	__be32 addr[4];
};

struct flow_key {
	__be32 local_addr[4];
	__be32 remote_addr[4];
	__be16 local_port;
	__be16 remote_port;
};

enum gate_state {
	OPENING = 1, /* our SYN has left */
	OPEN,
	MUTE, /* the backup does not know this flow: not a word */
};

/* Sequence numbers: host order. An edge is acknowledgement plus window: what the peer may send up to. */
struct gated_flow {
	__u32 gate;	  /* the highest acknowledgement that may leave */
	__u32 irs;	  /* the peer's first byte */
	__u32 iss;	  /* our first byte */
	__u32 max_sent;	  /* the end of what we have sent */
	__u32 last_ack;	  /* the last acknowledgement that left */
	__u32 last_edge;
	__u32 want_ack;	  /* what the kernel would have acknowledged */
	__u32 want_edge;
	__u32 peer_ack;	  /* what the peer has acknowledged */
	__u32 tsval, tsecr; /* of the last segment that left */
	__u8 window_scale;
	__u8 state;
	__u8 dead;	  /* a FIN or RST without consent was held back: nothing leaves this flow any more */
	__u8 timestamps;
	__u8 peer_reset;
	__u8 reserved[3];
};

#define PERMIT_FIN 1	  /* a FIN may leave, at fin_seq */
#define PERMIT_RST 2
#define PERMIT_UNGATED 4  /* a connection that nobody replicates */
#define PERMIT_CLAMP 8	  /* a restored flow: cut acknowledgements of what it has not sent yet */
#define PERMIT_ANY_FIN 16 /* with PERMIT_FIN: wherever it stands */
#define PERMIT_FENCED 32  /* FIN and RST may leave also when fenced: a leg that no backup can know */

struct permit {
	__u32 flags;
	__u32 fin_seq;
};

struct gate_settings {
	__u32 enabled;
	__u32 solo; /* there is no backup: nothing is held back, FIN and RST need no consent */
	__be16 link_port; /* of the replication link, on the side that accepts it */
	__u8 mute_accepted;  /* flows that were accepted say nothing before their first kick */
	__u8 answer_strays;  /* the kernel may reset what belongs to no connection: not right after a takeover */
};

struct lease {
	__u64 until; /* CLOCK_BOOTTIME ns; 0: none is needed */
	__u32 epoch; /* that it was given in */
	__u32 newest_epoch; /* that was heard of: one greater than `epoch` ends the lease */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gate_settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} gate_settings SEC(".maps");

/* A map of its own: each heartbeat writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lease);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} lease SEC(".maps");

/*
 * Sockets of the replication link that the relay process holds, by cookie (SO_COOKIE). What the kernel still sends for
 * those of a process before it says nothing of this one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} link_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct virtual_address);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} virtual_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct flow_key);
	__type(value, struct gated_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} gated_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct flow_key);
	__type(value, struct permit);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} permits SEC(".maps");

enum gate_counter {
	ACK_HELD,	   /* acknowledgements that left lower than the kernel said */
	ACK_DROPPED,	   /* pure ACKs that would have said nothing new */
	KICKED,		   /* gates raised by a kick that left */
	KICK_DROPPED,	   /* kicks that had nothing new to say */
	MUTED,		   /* segments of flows that the backup does not know yet */
	NOT_CONSENTED,	   /* FIN or RST without consent: the host is fenced */
	FENCED_DROPPED,	   /* packets held back because the lease is over */
	UNKNOWN_DROPPED,   /* segments of flows without an entry */
	LINK_CLOSED,	   /* the replication link's FIN or RST: the process is dead, the host is fenced */
	PEER_ACK_CUT,	   /* acknowledgements of bytes that a restored flow has not sent yet */
};

#endif
