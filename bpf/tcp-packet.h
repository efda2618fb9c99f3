/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * TCP over IPv4 and IPv6 in an Ethernet frame, as a TC program sees it. Packets with IPv4 options or IPv6 extension
 * headers are none of ours: they pass untouched.
 */
#ifndef OVERLAY_TCP_PACKET_H
#define OVERLAY_TCP_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* linux/pkt_cls.h: let the next filter decide, so that overlay's filters live beside others; drop; deliver */
#define TC_ACT_UNSPEC (-1)
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define IPV4_LEN 20
#define IPV6_LEN 40
#define TCP_LEN 20
/* a SYN as Linux sends it: 20 bytes of header, 20 of options */
#define TCP_SYN_LEN 40

struct tcp_header {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack;
	__u8 offset; /* header length in 32-bit words, in the upper four bits */
	__u8 flags;
	__be16 window;
	__be16 check;
	__be16 urgent;
} __attribute__((packed));

/* The options of a Linux SYN and SYN/ACK in the order in which tcp_options_write() puts them. */
struct syn_options {
	__u8 mss_kind, mss_len;
	__be16 mss;
	__u8 sack_kind, sack_len;
	__u8 ts_kind, ts_len;
	__be32 tsval, tsecr;
	__u8 nop;
	__u8 ws_kind, ws_len, ws;
} __attribute__((packed));

struct syn_packet {
	struct tcp_header tcp;
	struct syn_options opt;
} __attribute__((packed));

/* The timestamp option of every later segment: NOP, NOP, kind 8, length 10 (RFC 7323 appendix A). */
struct timestamp_option {
	__be32 head;
	__be32 tsval, tsecr;
} __attribute__((packed));

#define TIMESTAMP_HEAD 0x0101080a

/*
 * A connection seen from the middle: which end is the edge is known by the program's place, not by the packet's
 * direction. Addresses are 16 bytes in network order, IPv4 as IPv4-mapped IPv6; ports are in network order.
 */
struct flow {
	__be32 edge_addr[4];
	__be32 gateway_addr[4];
	__be16 edge_port;
	__be16 gateway_port;
};

/* What a program reads from a packet before it decides. seq, ack: host order. */
struct segment {
	struct flow flow;
	__u32 seq;
	__u32 ack;
	__u8 flags;
	__u8 data_offset; /* TCP header length in bytes */
	__u8 ip_len;	  /* IPV4_LEN or IPV6_LEN */
};

/*
 * Reads the headers. from_edge: the packet goes from edge to gateway. Returns false for what is not TCP that we handle.
 * Makes the headers linear first: data_end of a paged skb may lie before them.
 */
static __always_inline bool read_segment(struct __sk_buff *skb, bool from_edge, struct segment *s)
{
	__builtin_memset(s, 0, sizeof(*s));
	__u32 tcp_at;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		tcp_at = ETH_HLEN + IPV4_LEN;
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		tcp_at = ETH_HLEN + IPV6_LEN;
	else
		return false;
	if ((void *)(long)skb->data + tcp_at + TCP_LEN > (void *)(long)skb->data_end &&
	    bpf_skb_pull_data(skb, tcp_at + TCP_LEN))
		return false;

	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct tcp_header *tcp = data + tcp_at;
	if ((void *)(tcp + 1) > end)
		return false;
	__be32 *from = from_edge ? s->flow.edge_addr : s->flow.gateway_addr;
	__be32 *to = from_edge ? s->flow.gateway_addr : s->flow.edge_addr;
	if (tcp_at == ETH_HLEN + IPV4_LEN) {
		struct iphdr *ip = data + ETH_HLEN;
		if (ip->protocol != IPPROTO_TCP || ip->ihl != 5 || (ip->frag_off & bpf_htons(0x3fff)))
			return false;
		from[2] = to[2] = bpf_htonl(0xffff);
		from[3] = ip->saddr;
		to[3] = ip->daddr;
		s->ip_len = IPV4_LEN;
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;
		if (ip->nexthdr != IPPROTO_TCP)
			return false;
		__builtin_memcpy(from, &ip->saddr, 16);
		__builtin_memcpy(to, &ip->daddr, 16);
		s->ip_len = IPV6_LEN;
	}
	s->flow.edge_port = from_edge ? tcp->source : tcp->dest;
	s->flow.gateway_port = from_edge ? tcp->dest : tcp->source;
	s->seq = bpf_ntohl(tcp->seq);
	s->ack = bpf_ntohl(tcp->ack);
	s->flags = tcp->flags;
	s->data_offset = (tcp->offset >> 4) * 4;
	return true;
}

/* True for a SYN with no data and exactly Linux's usual options. */
static __always_inline bool is_linux_syn(const struct __sk_buff *skb, const struct syn_packet *p, __u32 ip_len)
{
	return skb->len == ETH_HLEN + ip_len + TCP_SYN_LEN && p->tcp.offset == (TCP_SYN_LEN / 4) << 4 &&
	       p->opt.mss_kind == 2 && p->opt.mss_len == 4 && p->opt.sack_kind == 4 && p->opt.sack_len == 2 &&
	       p->opt.ts_kind == 8 && p->opt.ts_len == 10 && p->opt.nop == 1 && p->opt.ws_kind == 3 && p->opt.ws_len == 3;
}

/*
 * Overwrites the 40 bytes of a SYN-like packet and mends the checksum by the difference. bpf_l4_csum_replace() leaves a
 * checksum alone that the device has yet to compute (CHECKSUM_PARTIAL), so it is right with offloads on and off. Both
 * sides carry the old checksum field in the same place, so it cancels out of the difference. Neither call touches
 * skb->csum (CHECKSUM_COMPLETE): what the bytes add to the whole sum, the mended checksum takes away.
 */
static __always_inline void replace_syn(struct __sk_buff *skb, __u32 ip_len, const struct syn_packet *old,
					struct syn_packet *new)
{
	const __u32 at = ETH_HLEN + ip_len;
	new->tcp.check = old->tcp.check;
	__s64 diff = bpf_csum_diff((__be32 *)old, TCP_SYN_LEN, (__be32 *)new, TCP_SYN_LEN, 0);
	bpf_skb_store_bytes(skb, at, new, TCP_SYN_LEN, 0);
	bpf_l4_csum_replace(skb, at + offsetof(struct tcp_header, check), 0, diff, 0);
}

/* Swaps Ethernet and IP source and destination. No checksum changes: sums do not mind the order. */
static __always_inline void swap_addresses(struct __sk_buff *skb, __u32 ip_len)
{
	__u8 mac[12], swapped_mac[12];
	bpf_skb_load_bytes(skb, 0, mac, 12);
	__builtin_memcpy(swapped_mac, mac + 6, 6);
	__builtin_memcpy(swapped_mac + 6, mac, 6);
	bpf_skb_store_bytes(skb, 0, swapped_mac, 12, 0);
	if (ip_len == IPV4_LEN) {
		__be32 addr[2], swapped[2];
		bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), addr, 8);
		swapped[0] = addr[1];
		swapped[1] = addr[0];
		bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), swapped, 8, 0);
	} else {
		__be32 addr[8], swapped[8];
		bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), addr, 32);
		__builtin_memcpy(swapped, addr + 4, 16);
		__builtin_memcpy(swapped + 4, addr, 16);
		bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), swapped, 32, 0);
	}
}

#endif
