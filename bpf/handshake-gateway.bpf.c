// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The gateway's half of the zero-RTT handshake (docs/PROTOCOL.md), on the ingress of the interface toward edges.
 *
 * A SYN whose ACK field holds a number that only a holder of the key can make is answered with the real SYN/ACK, and
 * becomes the third ACK of a handshake that ends here and now: the child socket exists before any data arrives. Where
 * the SYN was lost, the first data segment does the same. What does not verify goes to the kernel unchanged.
 */
#include "kernel-types.h"
#include "settings.h"
#include "suggested-isn.h"
#include "gateway-sockops.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk, struct bpf_tcp_req_attrs *attrs,
				   int attrs__sz) __ksym;

enum gateway_counter {
	SYN_ACCEPTED,	    /* a SYN made a child */
	SYN_REPEATED,	    /* a SYN whose child exists: answered again */
	SYN_UNVERIFIED,	    /* a SYN with a number that no key of ours made: left to the kernel */
	SYN_TIME_WAIT,	    /* a SYN that ended an old connection in TIME-WAIT */
	SYN_NO_LISTENER,    /* a good SYN, but nobody listens: left to the kernel, which resets it */
	SYN_OTHER_FLOW,	    /* a good SYN that met a socket of an older connection: left to the kernel */
	DATA_ACCEPTED,	    /* an early segment made a child: the SYN was lost or is late */
	DATA_TOO_EARLY,	    /* a later early segment before the first: dropped, it comes again */
	DATA_UNVERIFIED,    /* a segment for the listener that no key of ours made: left to the kernel */
	CHILD_FAILED,	    /* the kernel refused the child */
};

/* An early segment may stand so far behind the first byte and still be taken for one. */
#define EARLY_WINDOW (1u << 20)

enum verdict { FOREIGN, FIRST, LATER, KEEPALIVE_PROBE };

/*
 * Who could have sent a segment with these numbers? Both keys and three time buckets are tried. FIRST: it starts at the
 * first byte; LATER: behind it; KEEPALIVE_PROBE: one before it (net/ipv4/tcp_output.c, tcp_xmit_probe_skb).
 */
static __noinline int verify(const struct flow *f, __u32 seq, __u32 ack, __u32 tsecr)
{
	__u32 options = tsecr & OPTION_MASK;
	struct settings *set = get_settings();
	if (!f || !set || options >> 8 != PROTOCOL_VERSION)
		return FOREIGN;
	__u32 now = time_bucket(set->clock_offset_s);
	int found = FOREIGN;
	for (int i = 0; i < 6; i++) {
		if (i >= 3 && set->key_count < 2)
			break;
		__u32 hash = flow_hash(f, options, now - 1 + i % 3, set->key[i >= 3]);
		__u32 isn = ack - 1 - hash;
		__u32 behind = seq - 1 - isn;
		if (behind == 0)
			return FIRST;
		if (behind == -1u)
			return KEEPALIVE_PROBE;
		if (behind < EARLY_WINDOW)
			found = LATER;
	}
	return found;
}

static __always_inline struct bpf_sock *lookup_socket(struct __sk_buff *skb, const struct flow *f, const __u32 ip_len)
{
	struct bpf_sock_tuple tuple;
	if (ip_len == IPV4_LEN) {
		tuple.ipv4.saddr = f->edge_addr[3];
		tuple.ipv4.daddr = f->gateway_addr[3];
		tuple.ipv4.sport = f->edge_port;
		tuple.ipv4.dport = f->gateway_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, f->edge_addr, 16);
	__builtin_memcpy(tuple.ipv6.daddr, f->gateway_addr, 16);
	tuple.ipv6.sport = f->edge_port;
	tuple.ipv6.dport = f->gateway_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* The RTT in ms that the child starts with, until it has measured: what was learned of this edge, else the guess. */
static __always_inline __u32 rtt_guess_ms(const struct settings *set, const struct flow *f)
{
	struct edge_address edge;
	__builtin_memcpy(edge.addr, f->edge_addr, 16);
	struct edge_path *path = bpf_map_lookup_elem(&edges, &edge);
	return path ? path->rtt_us / 1000 : set->rtt_guess_ms;
}

/*
 * Makes the packet in skb create a child of the listener. The child's clock runs ahead of the echoed timestamp by the
 * RTT guess, so that its first RTT sample is the guess and not a millisecond.
 */
static __always_inline long assign_child(struct __sk_buff *skb, struct bpf_sock *listener, const struct flow *f,
					 __u32 tsval, __u32 tsecr, __u32 mss)
{
	struct settings *set = get_settings();
	struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(listener);
	if (!set || !sk)
		return -1;
	/* Also makes the compiler describe struct sock in full, which libbpf 1.1 wants for the kfunc's prototype. */
	if (sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		return -1;
	struct bpf_tcp_req_attrs attrs = {
		.rcv_tsval = tsval,
		.rcv_tsecr = tsecr + rtt_guess_ms(set, f),
		.mss = mss,
		.snd_wscale = tsecr & 15,
		.rcv_wscale = GATEWAY_WINDOW_SCALE,
		.wscale_ok = 1,
		.sack_ok = !!(tsecr & OPTION_SACK),
		.tstamp_ok = 1,
	};
	return bpf_sk_assign_tcp_reqsk(skb, sk, &attrs, sizeof(attrs));
}

/* The hop limit of an answer made from the packet it answers would be what is left of the packet's own. */
static __always_inline void set_hop_limit(struct __sk_buff *skb, __u32 ip_len, __u8 limit)
{
	__be16 old, new;
	if (ip_len == IPV6_LEN) {
		const __u32 at = ETH_HLEN + offsetof(struct ipv6hdr, nexthdr);
		new = bpf_htons(IPPROTO_TCP << 8 | limit);
		/* no checksum in the header makes up for it, so skb->csum has to follow */
		bpf_skb_store_bytes(skb, at, &new, 2, BPF_F_RECOMPUTE_CSUM);
		return;
	}
	const __u32 at = ETH_HLEN + offsetof(struct iphdr, ttl);
	bpf_skb_load_bytes(skb, at, &old, 2);
	new = (old & bpf_htons(0x00ff)) | bpf_htons(limit << 8);
	bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old, new, 2);
	bpf_skb_store_bytes(skb, at, &new, 2, 0);
}

/* Sends the real SYN/ACK from the SYN's own packet and puts the SYN back. */
static __always_inline void answer_syn(struct __sk_buff *skb, const struct syn_packet *syn, const __u32 ip_len)
{
	struct settings *set = get_settings();
	struct syn_packet real = *syn;
	if (!set)
		return;
	real.tcp.source = syn->tcp.dest;
	real.tcp.dest = syn->tcp.source;
	real.tcp.seq = syn->tcp.ack;
	real.tcp.ack = bpf_htonl(bpf_ntohl(syn->tcp.seq) + 1);
	real.tcp.flags = TCP_SYN | TCP_ACK;
	real.tcp.window = bpf_htons(GATEWAY_SYN_WINDOW);
	real.opt.mss = bpf_htons(ip_len == IPV4_LEN ? set->mss_ipv4 : set->mss_ipv6);
	real.opt.tsval = syn->opt.tsecr;
	real.opt.tsecr = syn->opt.tsval;
	real.opt.ws = GATEWAY_WINDOW_SCALE;
	__u8 hops;
	const __u32 hops_at = ETH_HLEN + (ip_len == IPV4_LEN ? offsetof(struct iphdr, ttl) : offsetof(struct ipv6hdr, hop_limit));
	bpf_skb_load_bytes(skb, hops_at, &hops, 1);
	swap_addresses(skb, ip_len);
	set_hop_limit(skb, ip_len, 64);
	replace_syn(skb, ip_len, syn, &real);
	bpf_clone_redirect(skb, skb->ifindex, 0);
	bpf_skb_load_bytes(skb, ETH_HLEN + ip_len + offsetof(struct tcp_header, check), &real.tcp.check, 2);
	swap_addresses(skb, ip_len);
	set_hop_limit(skb, ip_len, hops);
	real.tcp.check = syn->tcp.check;
	struct syn_packet back = *syn;
	replace_syn(skb, ip_len, &real, &back);
}

/* The SYN becomes the ACK that ends its handshake: RFC 9293 figure 6, line 4. */
static __always_inline void turn_into_third_ack(struct __sk_buff *skb, const struct syn_packet *syn, __u32 ip_len)
{
	struct syn_packet ack = *syn;
	ack.tcp.seq = bpf_htonl(bpf_ntohl(syn->tcp.seq) + 1);
	ack.tcp.ack = bpf_htonl(bpf_ntohl(syn->tcp.ack) + 1);
	ack.tcp.flags = TCP_ACK;
	ack.tcp.window = bpf_htons(bpf_ntohs(syn->tcp.window) >> (syn->opt.ws & 15));
	/* only the timestamp remains; the others become NOPs */
	ack.opt.mss_kind = ack.opt.mss_len = ack.opt.sack_kind = ack.opt.sack_len = 1;
	ack.opt.mss = 0x0101;
	ack.opt.ws_kind = ack.opt.ws_len = ack.opt.ws = 1;
	replace_syn(skb, ip_len, syn, &ack);
}

/* The SYN becomes the RST that a socket in TIME-WAIT obeys; the next early segment then makes the child. */
static __always_inline void turn_into_reset(struct __sk_buff *skb, const struct syn_packet *syn, __u32 ip_len, __u32 rcv_nxt)
{
	struct syn_packet reset = *syn;
	reset.tcp.seq = bpf_htonl(rcv_nxt);
	reset.tcp.ack = 0;
	reset.tcp.flags = TCP_RST;
	replace_syn(skb, ip_len, syn, &reset);
}

/* True when the socket is the child that this very SYN made. */
static __always_inline bool is_child_of(struct bpf_sock *socket, __u32 isn)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(socket);
	return tcp && tcp->rcv_nxt - (isn + 1) < EARLY_WINDOW;
}

static __noinline int on_syn(struct __sk_buff *skb, const struct segment *s)
{
	struct syn_packet syn;
	if (!s)
		return TC_ACT_UNSPEC;
	const __u32 ip_len = s->ip_len == IPV4_LEN ? IPV4_LEN : IPV6_LEN;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + ip_len, &syn, TCP_SYN_LEN) || !is_linux_syn(skb, &syn, ip_len))
		return TC_ACT_UNSPEC;
	__u32 tsval = bpf_ntohl(syn.opt.tsval), tsecr = bpf_ntohl(syn.opt.tsecr);
	/* as the first byte will have it: one above both numbers of the SYN */
	if (verify(&s->flow, s->seq + 1, s->ack + 1, tsecr) != FIRST) {
		count(SYN_UNVERIFIED);
		return TC_ACT_UNSPEC;
	}
	struct bpf_sock *socket = lookup_socket(skb, &s->flow, ip_len);
	if (!socket) {
		count(SYN_NO_LISTENER);
		return TC_ACT_UNSPEC;
	}
	int act = TC_ACT_OK;
	if (socket->state == BPF_TCP_LISTEN) {
		answer_syn(skb, &syn, ip_len);
		turn_into_third_ack(skb, &syn, ip_len);
		if (assign_child(skb, socket, &s->flow, tsval, tsecr, bpf_ntohs(syn.opt.mss))) {
			count(CHILD_FAILED);
			act = TC_ACT_SHOT;
		} else {
			count(SYN_ACCEPTED);
		}
	} else if (socket->state == BPF_TCP_TIME_WAIT) {
		struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(socket);
		__u32 rcv_nxt = tw ? tw->tw_sk.__tw_common.skc_tw_rcv_nxt : 0;
		answer_syn(skb, &syn, ip_len);
		turn_into_reset(skb, &syn, ip_len, rcv_nxt);
		count(SYN_TIME_WAIT);
	} else if (is_child_of(socket, s->seq)) {
		answer_syn(skb, &syn, ip_len);
		count(SYN_REPEATED);
		act = TC_ACT_SHOT;
	} else {
		count(SYN_OTHER_FLOW);
		act = TC_ACT_UNSPEC;
	}
	bpf_sk_release(socket);
	return act;
}

/* A probe becomes a bare ACK at the first byte: the child would take the sequence number before it for an old one. */
static __always_inline void advance_probe(struct __sk_buff *skb, const struct segment *s, __u32 ip_len)
{
	const __u32 at = ETH_HLEN + ip_len;
	__be32 old = bpf_htonl(s->seq), new = bpf_htonl(s->seq + 1);
	bpf_skb_store_bytes(skb, at + offsetof(struct tcp_header, seq), &new, 4, 0);
	bpf_l4_csum_replace(skb, at + offsetof(struct tcp_header, check), old, new, 4);
}

static __noinline int on_data(struct __sk_buff *skb, const struct segment *s)
{
	struct timestamp_option ts;
	if (!s)
		return TC_ACT_UNSPEC;
	const __u32 ip_len = s->ip_len == IPV4_LEN ? IPV4_LEN : IPV6_LEN;
	struct bpf_sock *listener = lookup_socket(skb, &s->flow, ip_len);
	if (!listener)
		return TC_ACT_UNSPEC;
	int act = TC_ACT_UNSPEC;
	if (listener->state != BPF_TCP_LISTEN)
		goto release;
	if (s->data_offset < TCP_LEN + sizeof(ts) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + ip_len + TCP_LEN, &ts, sizeof(ts)) ||
	    ts.head != bpf_htonl(TIMESTAMP_HEAD)) {
		count(DATA_UNVERIFIED);
		goto release;
	}
	__u32 tsecr = bpf_ntohl(ts.tsecr);
	int who = verify(&s->flow, s->seq, s->ack, tsecr);
	if (who == FOREIGN) {
		count(DATA_UNVERIFIED);
	} else if (who == LATER) {
		count(DATA_TOO_EARLY);
		act = TC_ACT_SHOT;
	} else {
		if (who == KEEPALIVE_PROBE)
			advance_probe(skb, s, ip_len);
		if (assign_child(skb, listener, &s->flow, bpf_ntohl(ts.tsval), tsecr, index_to_mss((tsecr >> 4) & 7))) {
			count(CHILD_FAILED);
			act = TC_ACT_SHOT;
		} else {
			count(DATA_ACCEPTED);
			act = TC_ACT_OK;
		}
	}
release:
	bpf_sk_release(listener);
	return act;
}

SEC("tc")
int gateway_ingress(struct __sk_buff *skb)
{
	struct segment s;
	if (!read_segment(skb, true, &s))
		return TC_ACT_UNSPEC;
	if (!bpf_map_lookup_elem(&ports, &s.flow.gateway_port))
		return TC_ACT_UNSPEC;
	__u8 flags = s.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	/* an ordinary SYN has 0 in the ACK field; one in 4 billion suggested numbers is 0 too and is treated as such */
	if (flags == TCP_SYN)
		return s.ack ? on_syn(skb, &s) : TC_ACT_UNSPEC;
	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_ACK)
		return on_data(skb, &s);
	return TC_ACT_UNSPEC;
}
