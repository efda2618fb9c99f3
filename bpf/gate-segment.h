/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A TCP segment as a host at one end sees it: read, and changed where the gate must. */
#ifndef OVERLAY_GATE_SEGMENT_H
#define OVERLAY_GATE_SEGMENT_H

#include "gate-maps.h"
#include "tcp-packet.h"

/* What a TCP segment looks like from this host; ack and window as sent, lengths in bytes. */
struct gate_segment {
	struct flow_key key;
	__u32 seq, ack;
	__u16 window;
	__u16 header_len;
	__u32 payload;
	__u32 tcp_at; /* offset of the TCP header in the frame */
	__u8 flags;
};

static __always_inline bool read_gate_segment(struct __sk_buff *skb, bool outgoing, struct gate_segment *g)
{
	struct segment s;
	/* read_segment() calls the sender the edge */
	if (!read_segment(skb, true, &s))
		return false;
	__builtin_memset(g, 0, sizeof(*g));
	__builtin_memcpy(outgoing ? g->key.local_addr : g->key.remote_addr, s.flow.edge_addr, 16);
	__builtin_memcpy(outgoing ? g->key.remote_addr : g->key.local_addr, s.flow.gateway_addr, 16);
	g->key.local_port = outgoing ? s.flow.edge_port : s.flow.gateway_port;
	g->key.remote_port = outgoing ? s.flow.gateway_port : s.flow.edge_port;
	g->seq = s.seq;
	g->ack = s.ack;
	g->flags = s.flags;
	g->header_len = s.data_offset;
	g->tcp_at = ETH_HLEN + s.ip_len;
	__be16 window;
	if (bpf_skb_load_bytes(skb, g->tcp_at + offsetof(struct tcp_header, window), &window, 2))
		return false;
	g->window = bpf_ntohs(window);
	/* skb->len is right for super-frames too; Ethernet padding of short frames is not there on the way out */
	__u32 headers = g->tcp_at + g->header_len;
	g->payload = skb->len > headers ? skb->len - headers : 0;
	return true;
}

static __always_inline void store_u32(struct __sk_buff *skb, __u32 tcp_at, __u32 field, __u32 old, __u32 new)
{
	__be32 from = bpf_htonl(old), to = bpf_htonl(new);
	bpf_l4_csum_replace(skb, tcp_at + offsetof(struct tcp_header, check), from, to, 4);
	bpf_skb_store_bytes(skb, tcp_at + field, &to, 4, 0);
}

static __always_inline void store_window(struct __sk_buff *skb, __u32 tcp_at, __u16 old, __u16 new)
{
	__be16 from = bpf_htons(old), to = bpf_htons(new);
	bpf_l4_csum_replace(skb, tcp_at + offsetof(struct tcp_header, check), from, to, 2);
	bpf_skb_store_bytes(skb, tcp_at + offsetof(struct tcp_header, window), &to, 2, 0);
}

#define MAX_OPTION_BYTES 40

#endif
