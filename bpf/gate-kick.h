/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A kick: the bare ACK by which user space makes the gate speak (docs/ARCHITECTURE.md). */
#ifndef OVERLAY_GATE_KICK_H
#define OVERLAY_GATE_KICK_H

#include "counters.h"
#include "gate-segment.h"

static __always_inline bool after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* Fills in a kick: 52 bytes of IPv4 or 72 of IPv6, a bare ACK with room for timestamps. */
static __always_inline int send_kick(struct __sk_buff *skb, const struct gate_segment *g, struct gated_flow *f)
{
	if (f->state == MUTE)
		f->state = OPEN;
	if (after(g->ack, f->gate))
		f->gate = g->ack;
	/* what user space asks to have acknowledged it has read: an entry made late may not have seen the kernel say so */
	if (after(g->ack, f->want_ack))
		f->want_ack = g->ack;
	bool force = g->flags & 0x08; /* PSH: say it again, though it is nothing new */
	__u32 ack = after(f->want_ack, f->gate) ? f->gate : f->want_ack;
	if (!force && !after(ack, f->last_ack)) {
		count(KICK_DROPPED);
		return TC_ACT_SHOT;
	}
	__u32 room = f->want_edge - ack;
	if ((__s32)room < 0)
		room = 0;
	__u32 window = room >> (f->window_scale & 15);
	if (window > 65535)
		window = 65535;
	/* a peer that has acknowledged more than a restored flow has sent ignores what comes from before that */
	__u32 seq = after(f->peer_ack, f->max_sent) ? f->peer_ack : f->max_sent;
	struct {
		struct tcp_header tcp;
		struct timestamp_option ts;
	} __attribute__((packed)) old, new;
	if (g->header_len != sizeof(new) || bpf_skb_load_bytes(skb, g->tcp_at, &old, sizeof(old)))
		return TC_ACT_SHOT;
	new = old;
	new.tcp.seq = bpf_htonl(seq);
	new.tcp.ack = bpf_htonl(ack);
	new.tcp.flags = TCP_ACK;
	new.tcp.window = bpf_htons(window);
	new.ts.head = bpf_htonl(f->timestamps ? TIMESTAMP_HEAD : 0x01010101);
	new.ts.tsval = bpf_htonl(f->timestamps ? f->tsval : 0x01010101);
	new.ts.tsecr = bpf_htonl(f->timestamps ? f->tsecr : 0x01010101);
	__s64 diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), 0);
	bpf_skb_store_bytes(skb, g->tcp_at, &new, sizeof(new), 0);
	bpf_l4_csum_replace(skb, g->tcp_at + offsetof(struct tcp_header, check), 0, diff, 0);
	f->last_ack = ack;
	f->last_edge = ack + (window << (f->window_scale & 15));
	count(KICKED);
	return TC_ACT_UNSPEC;
}

#endif
