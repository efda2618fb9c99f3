// SPDX-License-Identifier: GPL-2.0-only
/*
 * BBR for the middle leg: the kernel's own, told to forget the first round-trip sample.
 *
 * The edge's first sample comes from the dummy SYN/ACK and is some 50 microseconds; the gateway's child starts with a
 * guess. BBR keeps its lowest sample for ten seconds and takes its window from it, so either would hold a transfer down
 * for that long. Everything else is the kernel's bbr_*, called as kfuncs (net/ipv4/tcp_bbr.c).
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* BPF_PROG gives every function a context that these do not look at */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
	unsigned char skc_state;
};

struct sock {
	struct sock_common __sk_common;
};

/* include/net/inet_connection_sock.h; icsk_ca_priv holds the state of the congestion control in use */
struct inet_connection_sock {
	__u64 icsk_ca_priv[13];
};

struct rate_sample {
	__u64 prior_mstamp;
};

/* net/ipv4/tcp_bbr.c; the bits' real places come from the kernel's BTF */
struct bbr {
	__u32 min_rtt_us;
	__u32 has_seen_rtt : 1;
};

#pragma clang attribute pop

enum tcp_ca_event { CA_EVENT_TX_START };

/* include/net/tcp.h: the members that are set; libbpf matches them by name with the kernel's */
struct tcp_congestion_ops {
	void (*init)(struct sock *sk);
	void (*cong_control)(struct sock *sk, __u32 ack, int flag, const struct rate_sample *rs);
	__u32 (*sndbuf_expand)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cwnd_event)(struct sock *sk, enum tcp_ca_event event);
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*min_tso_segs)(struct sock *sk);
	void (*set_state)(struct sock *sk, __u8 state);
	char name[16];
};

extern void bbr_init(struct sock *sk) __ksym;
extern void bbr_main(struct sock *sk, __u32 ack, int flag, const struct rate_sample *rs) __ksym;
extern __u32 bbr_sndbuf_expand(struct sock *sk) __ksym;
extern __u32 bbr_undo_cwnd(struct sock *sk) __ksym;
extern void bbr_cwnd_event(struct sock *sk, enum tcp_ca_event event) __ksym;
extern __u32 bbr_ssthresh(struct sock *sk) __ksym;
extern __u32 bbr_min_tso_segs(struct sock *sk) __ksym;
extern void bbr_set_state(struct sock *sk, __u8 state) __ksym;

/* include/linux/minmax of BBR: ~0 is what bbr_init() itself gives a socket that has no sample yet */
#define NO_SAMPLE (~0u)

/*
 * bbr->has_seen_rtt = 0, wherever the running kernel keeps that bit: a plain assignment would clear the bit that this
 * file's own struct has. The bit's word is (value << lshift) >> rshift, so its mask is the reverse.
 */
static __always_inline void clear_has_seen_rtt(struct bbr *bbr)
{
	__u32 *word = (void *)bbr + __CORE_RELO(bbr, has_seen_rtt, BYTE_OFFSET);
	__u64 lshift = __CORE_RELO(bbr, has_seen_rtt, LSHIFT_U64), rshift = __CORE_RELO(bbr, has_seen_rtt, RSHIFT_U64);
	*word &= ~(__u32)((~0ULL << rshift) >> lshift);
}

SEC("struct_ops/overlay_bbr_init")
void BPF_PROG(overlay_bbr_init, struct sock *sk)
{
	bbr_init(sk);
	struct bbr *bbr = (struct bbr *)((struct inet_connection_sock *)sk)->icsk_ca_priv;
	bbr->min_rtt_us = NO_SAMPLE;
	/* with it cleared, bbr_main() takes the first pacing rate from the first sample of its own */
	clear_has_seen_rtt(bbr);
}

SEC("struct_ops/overlay_bbr_main")
void BPF_PROG(overlay_bbr_main, struct sock *sk, __u32 ack, int flag, const struct rate_sample *rs)
{
	bbr_main(sk, ack, flag, rs);
}

SEC("struct_ops/overlay_bbr_sndbuf_expand")
__u32 BPF_PROG(overlay_bbr_sndbuf_expand, struct sock *sk)
{
	return bbr_sndbuf_expand(sk);
}

SEC("struct_ops/overlay_bbr_undo_cwnd")
__u32 BPF_PROG(overlay_bbr_undo_cwnd, struct sock *sk)
{
	return bbr_undo_cwnd(sk);
}

SEC("struct_ops/overlay_bbr_cwnd_event")
void BPF_PROG(overlay_bbr_cwnd_event, struct sock *sk, enum tcp_ca_event event)
{
	bbr_cwnd_event(sk, event);
}

SEC("struct_ops/overlay_bbr_ssthresh")
__u32 BPF_PROG(overlay_bbr_ssthresh, struct sock *sk)
{
	return bbr_ssthresh(sk);
}

SEC("struct_ops/overlay_bbr_min_tso_segs")
__u32 BPF_PROG(overlay_bbr_min_tso_segs, struct sock *sk)
{
	return bbr_min_tso_segs(sk);
}

SEC("struct_ops/overlay_bbr_set_state")
void BPF_PROG(overlay_bbr_set_state, struct sock *sk, __u8 state)
{
	bbr_set_state(sk, state);
}

SEC(".struct_ops")
struct tcp_congestion_ops overlay_bbr = {
	.init = (void *)overlay_bbr_init,
	.cong_control = (void *)overlay_bbr_main,
	.sndbuf_expand = (void *)overlay_bbr_sndbuf_expand,
	.undo_cwnd = (void *)overlay_bbr_undo_cwnd,
	.cwnd_event = (void *)overlay_bbr_cwnd_event,
	.ssthresh = (void *)overlay_bbr_ssthresh,
	.min_tso_segs = (void *)overlay_bbr_min_tso_segs,
	.set_state = (void *)overlay_bbr_set_state,
	.name = "overlay_bbr",
};
