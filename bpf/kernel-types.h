/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The few kernel structures that the programs look into, with just the fields they use. `preserve_access_index` makes
 * every access relocatable: libbpf fills in the running kernel's offsets when it loads (CO-RE), so one object serves
 * every kernel and the build needs no kernel headers beyond the user-space API.
 */
#ifndef OVERLAY_KERNEL_TYPES_H
#define OVERLAY_KERNEL_TYPES_H

#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/net/sock.h */
struct sock_common {
	unsigned char skc_state;
	__u32 skc_tw_rcv_nxt;
};

struct sock {
	struct sock_common __sk_common;
};

/* include/net/inet_connection_sock.h: the congestion control's private area */
struct inet_connection_sock {
	__u64 icsk_ca_priv[13];
};

/* include/linux/tcp.h */
struct tcp_sock {
	__u32 rcv_nxt;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
};

#pragma clang attribute pop

/* include/net/tcp.h: what bpf_sk_assign_tcp_reqsk() wants to know of the handshake; its size is checked, so no CO-RE */
struct bpf_tcp_req_attrs {
	__u32 rcv_tsval;
	__u32 rcv_tsecr;
	__u16 mss;
	__u8 rcv_wscale;
	__u8 snd_wscale;
	__u8 ecn_ok;
	__u8 wscale_ok;
	__u8 sack_ok;
	__u8 tstamp_ok;
	__u8 usec_ts_ok;
	__u8 reserved[3];
};

#endif
