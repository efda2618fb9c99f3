/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The stateless SYN/ACK of a pair (docs/PROTOCOL.md section 4.5), made of the SYN's own packet. */
#ifndef OVERLAY_SETUP_ANSWER_H
#define OVERLAY_SETUP_ANSWER_H

#include "counters.h"
#include "gate-segment.h"
#include "setup-maps.h"

#define AF_INET 2
#define AF_INET6 10

/* What a client takes that says nothing of its MSS (RFC 9293 section 3.7.1). */
#define MSS_DEFAULT 536

/* The options of a client's SYN (RFC 9293 section 3.2, RFC 7323, RFC 2018). */
struct client_options {
	__u32 mss;
	__u32 tsval;
	__u8 window_scale; /* NO_WINDOW_SCALE: none offered */
	__u8 sack;
	__u8 timestamps;
};

static __noinline int read_client_options(struct __sk_buff *skb, __u32 tcp_at, __u32 header_len, struct client_options *out)
{
	__u8 bytes[MAX_OPTION_BYTES + 4] = {};
	if (!out)
		return -1;
	out->mss = MSS_DEFAULT;
	out->tsval = 0;
	out->window_scale = NO_WINDOW_SCALE;
	out->sack = out->timestamps = 0;
	for (__u32 at = 0; at < MAX_OPTION_BYTES; at += 4) {
		if (at + TCP_LEN >= header_len)
			break;
		if (bpf_skb_load_bytes(skb, tcp_at + TCP_LEN + at, bytes + at, 4))
			return -1;
	}
	__u32 skip = 0;
	for (__u32 i = 0; i + 6 < sizeof(bytes); i++) {
		if (skip) {
			skip--;
			continue;
		}
		__u8 kind = bytes[i], length = bytes[i + 1];
		if (kind == 0)
			break;
		if (kind == 1)
			continue;
		if (kind == 2 && length == 4)
			out->mss = (__u32)bytes[i + 2] << 8 | bytes[i + 3];
		if (kind == 3 && length == 3)
			out->window_scale = bytes[i + 2] > 14 ? 14 : bytes[i + 2];
		if (kind == 4 && length == 2)
			out->sack = 1;
		if (kind == 8 && length == 10) {
			out->timestamps = 1;
			out->tsval = (__u32)bytes[i + 2] << 24 | (__u32)bytes[i + 3] << 16 | (__u32)bytes[i + 4] << 8 | bytes[i + 5];
		}
		if (length < 2)
			break;
		skip = length - 1;
	}
	return 0;
}

static __always_inline __u32 setup_options(const struct client_options *o)
{
	__u32 version = o->timestamps ? SETUP_WITH_TIMESTAMPS : SETUP_WITHOUT_TIMESTAMPS;
	return o->window_scale | mss_to_index(o->mss) << 4 | (o->sack ? OPTION_SACK : 0) | version << 8;
}

/* Our ISN less the client's. Without timestamps the options have no other place than its low eight bits. */
static __always_inline __u32 isn_difference(__u32 hash, __u32 options)
{
	return options >> 8 == SETUP_WITH_TIMESTAMPS ? hash : (hash & ~255u) | (options & 255);
}

/* The pair's own clock: no step of the host's time of day moves it. */
static __always_inline __u32 setup_bucket(const struct setup_settings *set)
{
	return ((__u32)(bpf_ktime_get_boot_ns() / 1000000000ULL) + set->clock_offset_s) >> 6;
}

/* The same clock in ms with its low bits replaced by the options, never ahead of the clock. */
static __always_inline __u32 setup_tsval(const struct setup_settings *set, __u32 options)
{
	__u32 now = (__u32)(bpf_ktime_get_boot_ns() / 1000000ULL) + set->clock_offset_s * 1000;
	__u32 tsval = (now & ~OPTION_MASK) | options;
	return (__s32)(tsval - now) > 0 ? tsval - (OPTION_MASK + 1) : tsval;
}

/* Sum of 16-bit words, folded to 16 bits. */
static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Sum over the pseudo-header of a TCP segment (RFC 9293 section 3.1): IPv4-mapped addresses' fixed part does not count. */
static __always_inline __u16 pseudo_sum(const struct flow_key *k, bool ipv4, __u32 length)
{
	__be32 words[10] = {};
	__builtin_memcpy(words, k->local_addr, 16);
	__builtin_memcpy(words + 4, k->remote_addr, 16);
	if (ipv4)
		words[2] = words[6] = 0;
	words[8] = bpf_htonl(length);
	words[9] = bpf_htonl(IPPROTO_TCP);
	return fold((__u32)bpf_csum_diff(0, 0, words, sizeof(words), 0));
}

/* IP header of the answer: addresses swapped, its own length and hop limit. */
static __noinline int answer_ip(struct __sk_buff *skb, const struct flow_key *k, bool ipv4)
{
	if (!k)
		return 0;
	if (ipv4) {
		struct iphdr ip = {
			.version = 4,
			.ihl = 5,
			.tot_len = bpf_htons(IPV4_LEN + TCP_SYN_LEN),
			.frag_off = bpf_htons(0x4000),
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.saddr = k->local_addr[3],
			.daddr = k->remote_addr[3],
		};
		ip.check = ~fold((__u32)bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof(ip), 0));
		bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM);
		return 0;
	}
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = bpf_htons(TCP_SYN_LEN),
		.nexthdr = IPPROTO_TCP,
		.hop_limit = 64,
	};
	__builtin_memcpy(&ip.saddr, k->local_addr, 16);
	__builtin_memcpy(&ip.daddr, k->remote_addr, 16);
	bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM);
	return 0;
}

/* Decides what the answer says, and remembers it: BPF's stack has no room for both halves in one function. */
static __noinline int remember_syn(struct __sk_buff *skb, const struct gate_segment *g)
{
	__u32 zero = 0;
	struct setup_settings *set = bpf_map_lookup_elem(&setup_settings, &zero);
	struct client_options o;
	if (!set || !g || read_client_options(skb, g->tcp_at, g->header_len, &o))
		return -1;
	struct flow f;
	__builtin_memcpy(f.edge_addr, g->key.remote_addr, 16);
	__builtin_memcpy(f.gateway_addr, g->key.local_addr, 16);
	f.edge_port = g->key.remote_port;
	f.gateway_port = g->key.local_port;
	struct seen_syn seen = {.at = bpf_ktime_get_boot_ns(), .isn = g->seq};
	seen.options = setup_options(&o);
	__u32 hash = flow_hash(&f, seen.options, setup_bucket(set), set->key[0]);
	seen.iss = g->seq + isn_difference(hash, seen.options);
	seen.tsval = o.timestamps ? setup_tsval(set, seen.options) : 0;
	seen.client_tsval = o.tsval;
	seen.mss = g->tcp_at == ETH_HLEN + IPV4_LEN ? set->mss_ipv4 : set->mss_ipv6;
	return bpf_map_update_elem(&seen_syns, &g->key, &seen, BPF_ANY);
}

/* Makes the SYN the SYN/ACK that was decided on; data of the SYN is cut off, and comes again. */
static __noinline int write_answer(struct __sk_buff *skb, const struct gate_segment *g)
{
	struct seen_syn *seen = g ? bpf_map_lookup_elem(&seen_syns, &g->key) : 0;
	if (!seen)
		return -1;
	bool ipv4 = g->tcp_at == ETH_HLEN + IPV4_LEN;
	const __u32 tcp_at = ETH_HLEN + (ipv4 ? IPV4_LEN : IPV6_LEN);
	__u16 old_check;
	if (bpf_skb_load_bytes(skb, tcp_at + offsetof(struct tcp_header, check), &old_check, 2))
		return -1;
	/*
	 * A packet of a host on the same machine may come with its checksum not yet made (CHECKSUM_PARTIAL): the field
	 * holds the sum over the pseudo-header, and the device will add the rest. Nothing else tells a program of it. Of
	 * 65,536 finished checksums one looks the same; its client hears nothing and sends its SYN again, with another.
	 */
	bool unfinished = old_check == pseudo_sum(&g->key, ipv4, skb->len - tcp_at);
	if (bpf_skb_change_tail(skb, tcp_at + TCP_SYN_LEN, 0))
		return -1;
	bool timestamps = seen->options >> 8 == SETUP_WITH_TIMESTAMPS;
	struct {
		struct tcp_header tcp;
		__be32 option[5];
	} __attribute__((packed)) answer = {
		.tcp = {
			.source = g->key.local_port,
			.dest = g->key.remote_port,
			.seq = bpf_htonl(seen->iss),
			.ack = bpf_htonl(seen->isn + 1),
			.offset = (TCP_SYN_LEN / 4) << 4,
			.flags = TCP_SYN | TCP_ACK,
			.window = bpf_htons(SETUP_WINDOW),
		},
	};
	answer.option[0] = bpf_htonl(0x02040000 | (seen->mss & 0xffff));
	answer.option[1] = bpf_htonl((seen->options & OPTION_SACK ? 0x04020000 : 0x01010000) | (timestamps ? 0x080a : 0x0101));
	answer.option[2] = bpf_htonl(timestamps ? seen->tsval : 0x01010101);
	answer.option[3] = bpf_htonl(timestamps ? seen->client_tsval : 0x01010101);
	answer.option[4] = bpf_htonl((seen->options & 15) == NO_WINDOW_SCALE ? 0x01010101 : 0x01030300 | SETUP_WINDOW_SCALE);
	__u16 pseudo = pseudo_sum(&g->key, ipv4, TCP_SYN_LEN);
	if (unfinished)
		answer.tcp.check = pseudo;
	else
		answer.tcp.check = ~fold((__u32)bpf_csum_diff(0, 0, (__be32 *)&answer, sizeof(answer), pseudo));
	bpf_skb_store_bytes(skb, tcp_at, &answer, sizeof(answer), BPF_F_RECOMPUTE_CSUM);
	answer_ip(skb, &g->key, ipv4);
	return 0;
}

/* Answers a SYN from here; the gate lets the answer pass by its mark. */
static __always_inline int answer_syn(struct __sk_buff *skb, const struct gate_segment *g)
{
	if (remember_syn(skb, g) || write_answer(skb, g))
		return TC_ACT_SHOT;
	skb->mark = SETUP_MARK;
	count(SETUP_ANSWERED);
	/* where the client is, routing and neighbours say: the SYN may have come by way of the other server */
	return bpf_redirect_neigh(skb->ifindex, 0, 0, 0);
}

/* Gives the SYN to the other server, as it is. */
static __always_inline int hand_over_syn(struct __sk_buff *skb, const struct gate_segment *g)
{
	struct virtual_address key;
	__builtin_memcpy(key.addr, g->key.local_addr, 16);
	struct setup_peer *peer = bpf_map_lookup_elem(&setup_peers, &key);
	if (!peer)
		return TC_ACT_SHOT;
	struct bpf_redir_neigh next = {};
	if (g->tcp_at == ETH_HLEN + IPV4_LEN) {
		next.nh_family = AF_INET;
		next.ipv4_nh = peer->addr[3];
	} else {
		next.nh_family = AF_INET6;
		__builtin_memcpy(next.ipv6_nh, peer->addr, 16);
	}
	count(SETUP_HANDED_OVER);
	return bpf_redirect_neigh(skb->ifindex, &next, sizeof(next), 0);
}

#endif
