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

/* Window scale and timestamps of a SYN or SYN/ACK (RFC 9293 section 3.1, RFC 7323). */
struct gate_options {
	__u8 window_scale;
	__u8 has_window_scale;
	__u8 timestamps;
};

#define MAX_OPTION_BYTES 40

static __noinline int read_options(struct __sk_buff *skb, __u32 tcp_at, __u32 header_len, struct gate_options *out)
{
	__u8 bytes[MAX_OPTION_BYTES] = {};
	if (!out)
		return -1;
	out->window_scale = out->has_window_scale = out->timestamps = 0;
	/* options come in whole words */
	for (__u32 at = 0; at < MAX_OPTION_BYTES; at += 4) {
		if (at + TCP_LEN >= header_len)
			break;
		if (bpf_skb_load_bytes(skb, tcp_at + TCP_LEN + at, bytes + at, 4))
			return -1;
	}
	__u32 skip = 0;
	for (__u32 i = 0; i + 2 < MAX_OPTION_BYTES; i++) {
		if (skip) {
			skip--;
			continue;
		}
		__u8 kind = bytes[i];
		if (kind == 0)
			break;
		if (kind == 1)
			continue;
		if (kind == 3) {
			out->has_window_scale = 1;
			out->window_scale = bytes[i + 2] > 14 ? 14 : bytes[i + 2];
		}
		if (kind == 8)
			out->timestamps = 1;
		if (bytes[i + 1] < 2)
			break;
		skip = bytes[i + 1] - 1;
	}
	return 0;
}

#endif
