// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The edge's half of the zero-RTT handshake (docs/PROTOCOL.md).
 *
 * Egress: a SYN to a known gateway gets the suggested number in its ACK field and leaves; its copy, turned into the dummy
 * SYN/ACK, goes into the host's own ingress, so connect() ends at once.
 * Ingress: the real SYN/ACK confirms the flow and is dropped; one with another number means that the gateway knows
 * nothing of us, and becomes an RST so that the program redials.
 */
#include "settings.h"
#include "suggested-isn.h"
#include "edge-sockops.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A socket with this mark wants an ordinary handshake (src/lib/handshake/constants.ts). */
#define ORDINARY_MARK 0x4f560001

#define NEGATIVE_CACHE_NS 10000000000ULL

enum edge_counter {
	SYN_SENT,	     /* SYNs that left with a suggested number */
	SYN_FOREIGN_OPTIONS, /* SYNs left alone: not Linux's usual options, or data in them */
	SYN_MARKED_ORDINARY, /* SYNs left alone because the program asked for it */
	DUMMY_FAILED,	     /* the dummy could not be sent; the SYN left as an ordinary one */
};

enum flow_state {
	DUMMY_SENT, /* the dummy is on its way to ingress */
	WAITING,    /* the socket is connected, the gateway has not answered */
	CONFIRMED,
	MISMATCHED, /* the gateway answered with a number of its own */
	REFUSED,    /* the gateway answered with RST */
	ORDINARY,   /* the dummy was lost on its way and the gateway's own SYN/ACK took its place */
};

/* State of one opening. Times: CLOCK_MONOTONIC in ns. Sequence numbers: host order. */
struct opening {
	__u64 syn_at;
	__u32 isn;
	__u32 suggested;
	__u32 state;
	__u32 reserved;
};

/* What is known of the path to one gateway; only the programs write it. */
struct path {
	__u64 syns;
	__u64 confirmed;	 /* by the real SYN/ACK */
	__u64 confirmed_by_data; /* SYN or SYN/ACK was lost; something later answered */
	__u64 mismatches;
	__u64 refused;
	__u64 ordinary;		 /* SYNs left ordinary because of the negative cache */
	__u64 negative_until;	 /* CLOCK_MONOTONIC ns; until then SYNs are ordinary */
	__u64 rtt_last_ns;	 /* SYN to real SYN/ACK */
	__u64 rtt_min_ns;
	__u64 rtt_smoothed_ns;	 /* RFC 6298 section 2, alpha = 1/8 */
	__u32 mss;		 /* from the last real SYN/ACK */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct opening);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} openings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct gateway_key);
	__type(value, struct path);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} paths SEC(".maps");

static __always_inline void gateway_key_of(const struct flow *f, struct gateway_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->addr, f->gateway_addr, 16);
	key->port = f->gateway_port;
}

static __always_inline struct path *path_of(const struct gateway_key *key)
{
	struct path *path = bpf_map_lookup_elem(&paths, key);
	if (path)
		return path;
	struct path fresh = {};
	bpf_map_update_elem(&paths, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&paths, key);
}

/*
 * The dummy's TSval: the clock in ms with its low ten bits replaced by the option bits. Never ahead of the clock, so that
 * the child, whose clock starts from it, is never ahead of a later incarnation of the same tuple.
 */
static __always_inline __u32 dummy_tsval(__u64 now_ns, __u32 options)
{
	__u32 now_ms = now_ns / 1000000;
	__u32 tsval = (now_ms & ~OPTION_MASK) | options;
	return (__s32)(tsval - now_ms) > 0 ? tsval - (OPTION_MASK + 1) : tsval;
}

/* The MSS that the dummy says: what the gateway said last time, else the smaller of our own and the assumed one. */
static __always_inline __u32 dummy_mss(const struct settings *set, const struct path *path, __u32 ip_len, __u32 own)
{
	if (path->mss)
		return path->mss;
	__u32 assumed = ip_len == IPV4_LEN ? set->mss_ipv4 : set->mss_ipv6;
	return own < assumed ? own : assumed;
}

/* Sends the SYN in skb both ways: its copy as the dummy SYN/ACK to ourselves, itself with the suggested number. */
static __always_inline int open_in_zero_rtt(struct __sk_buff *skb, const struct segment *s, const struct settings *set,
					    struct path *path, const __u32 ip_len)
{
	struct syn_packet syn, other;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + ip_len, &syn, TCP_SYN_LEN) || !is_linux_syn(skb, &syn, ip_len)) {
		count(SYN_FOREIGN_OPTIONS);
		bpf_map_delete_elem(&openings, &s->flow);
		return TC_ACT_UNSPEC;
	}
	__u32 mss = bpf_ntohs(syn.opt.mss);
	__u32 options = encode_options(syn.opt.ws, mss, true);
	struct opening opening = {.syn_at = bpf_ktime_get_ns(), .isn = s->seq, .state = DUMMY_SENT};
	opening.suggested = flow_hash(&s->flow, options, time_bucket(set->clock_offset_s), set->key[0]) + s->seq;
	__u32 tsval = dummy_tsval(opening.syn_at, options);
	bpf_map_update_elem(&openings, &s->flow, &opening, BPF_ANY);

	other = syn;
	other.tcp.source = syn.tcp.dest;
	other.tcp.dest = syn.tcp.source;
	other.tcp.seq = bpf_htonl(opening.suggested);
	other.tcp.ack = bpf_htonl(s->seq + 1);
	other.tcp.flags = TCP_SYN | TCP_ACK;
	other.tcp.window = bpf_htons(GATEWAY_SYN_WINDOW);
	other.opt.mss = bpf_htons(dummy_mss(set, path, ip_len, mss));
	other.opt.tsval = bpf_htonl(tsval);
	other.opt.tsecr = syn.opt.tsval;
	other.opt.ws = GATEWAY_WINDOW_SCALE;
	swap_addresses(skb, ip_len);
	replace_syn(skb, ip_len, &syn, &other);
	long failed = bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);

	/* Back to the SYN. The checksum has to be read anew: it was mended for the dummy. */
	struct syn_packet dummy = other;
	other = syn;
	if (failed) {
		count(DUMMY_FAILED);
		bpf_map_delete_elem(&openings, &s->flow);
	} else {
		other.tcp.ack = bpf_htonl(opening.suggested);
		other.opt.tsecr = bpf_htonl(tsval);
		count(SYN_SENT);
		__sync_fetch_and_add(&path->syns, 1);
	}
	bpf_skb_load_bytes(skb, ETH_HLEN + ip_len + offsetof(struct tcp_header, check), &dummy.tcp.check, 2);
	swap_addresses(skb, ip_len);
	replace_syn(skb, ip_len, &dummy, &other);
	return TC_ACT_UNSPEC;
}

/* A connect() on this host: the key must not vouch for what others route through it or make on a raw socket. */
static __always_inline bool from_connect(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	return sk && sk->protocol == IPPROTO_TCP && sk->state == BPF_TCP_SYN_SENT;
}

SEC("tc")
int edge_egress(struct __sk_buff *skb)
{
	struct segment s;
	if (!read_segment(skb, true, &s))
		return TC_ACT_UNSPEC;
	if ((s.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN || !from_connect(skb))
		return TC_ACT_UNSPEC;
	struct gateway_key key;
	gateway_key_of(&s.flow, &key);
	if (!bpf_map_lookup_elem(&gateways, &key))
		return TC_ACT_UNSPEC;
	struct settings *set = get_settings();
	struct path *path = path_of(&key);
	if (!set || !path)
		return TC_ACT_UNSPEC;
	if (skb->mark == ORDINARY_MARK) {
		count(SYN_MARKED_ORDINARY);
		bpf_map_delete_elem(&openings, &s.flow);
		return TC_ACT_UNSPEC;
	}
	if (path->negative_until > bpf_ktime_get_ns()) {
		__sync_fetch_and_add(&path->ordinary, 1);
		bpf_map_delete_elem(&openings, &s.flow);
		return TC_ACT_UNSPEC;
	}
	if (s.ip_len == IPV4_LEN)
		return open_in_zero_rtt(skb, &s, set, path, IPV4_LEN);
	return open_in_zero_rtt(skb, &s, set, path, IPV6_LEN);
}

static __always_inline void record_rtt(struct path *path, __u64 rtt)
{
	path->rtt_last_ns = rtt;
	if (!path->rtt_min_ns || rtt < path->rtt_min_ns)
		path->rtt_min_ns = rtt;
	path->rtt_smoothed_ns = path->rtt_smoothed_ns ? path->rtt_smoothed_ns - path->rtt_smoothed_ns / 8 + rtt / 8 : rtt;
}

static __always_inline void record_mss(struct path *path, struct __sk_buff *skb, __u32 ip_len)
{
	struct {
		__u8 kind, len;
		__be16 mss;
	} option;
	if (!bpf_skb_load_bytes(skb, ETH_HLEN + ip_len + TCP_LEN, &option, 4) && option.kind == 2 && option.len == 4)
		path->mss = bpf_ntohs(option.mss);
}

/*
 * The gateway's kernel answered by itself: it knows nothing of the number that our socket goes by. Its SYN/ACK becomes
 * an RST that the socket accepts (RFC 9293 section 3.10.7.4: sequence number exactly RCV.NXT), so the program redials now
 * instead of when the gateway's own RST gets through.
 */
static __always_inline void turn_into_reset(struct __sk_buff *skb, __u32 ip_len, __u32 rcv_nxt)
{
	const __u32 at = ETH_HLEN + ip_len;
	struct tcp_header old, new;
	if (bpf_skb_load_bytes(skb, at, &old, TCP_LEN))
		return;
	new = old;
	new.seq = bpf_htonl(rcv_nxt);
	new.flags = TCP_RST | TCP_ACK;
	__s64 diff = bpf_csum_diff((__be32 *)&old, TCP_LEN, (__be32 *)&new, TCP_LEN, 0);
	bpf_skb_store_bytes(skb, at, &new, TCP_LEN, 0);
	bpf_l4_csum_replace(skb, at + offsetof(struct tcp_header, check), 0, diff, 0);
}

static __always_inline int on_syn_ack(struct __sk_buff *skb, const struct segment *s, struct opening *o)
{
	if (s->ack != o->isn + 1)
		return TC_ACT_UNSPEC;
	bool agreed = s->seq == o->suggested;
	if (o->state == DUMMY_SENT) {
		/* The first to come through is the dummy itself; were it lost, the gateway's own would do as well. */
		o->state = agreed ? WAITING : ORDINARY;
		return TC_ACT_UNSPEC;
	}
	struct gateway_key key;
	gateway_key_of(&s->flow, &key);
	struct path *path = path_of(&key);
	if (!path)
		return TC_ACT_UNSPEC;
	if (agreed) {
		if (o->state == WAITING) {
			o->state = CONFIRMED;
			record_rtt(path, bpf_ktime_get_ns() - o->syn_at);
			record_mss(path, skb, s->ip_len);
			__sync_fetch_and_add(&path->confirmed, 1);
		}
		return TC_ACT_SHOT; /* the socket is connected: a SYN/ACK now would draw a challenge ACK */
	}
	if (o->state != WAITING)
		return TC_ACT_UNSPEC; /* retransmitted to a socket that is gone: let the kernel reset it */
	o->state = MISMATCHED;
	path->negative_until = bpf_ktime_get_ns() + NEGATIVE_CACHE_NS;
	__sync_fetch_and_add(&path->mismatches, 1);
	turn_into_reset(skb, s->ip_len, o->suggested + 1);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int edge_ingress(struct __sk_buff *skb)
{
	struct segment s;
	if (!read_segment(skb, false, &s))
		return TC_ACT_UNSPEC;
	struct opening *o = bpf_map_lookup_elem(&openings, &s.flow);
	if (!o)
		return TC_ACT_UNSPEC;
	if ((s.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		return on_syn_ack(skb, &s, o);
	if (o->state != WAITING)
		return TC_ACT_UNSPEC;
	struct gateway_key key;
	gateway_key_of(&s.flow, &key);
	struct path *path = path_of(&key);
	if (!path)
		return TC_ACT_UNSPEC;
	if (s.flags & TCP_RST) {
		/* an answer to our ACK or data, or to the SYN itself; anything else is somebody's guess */
		bool to_data = s.seq == o->suggested + 1, to_syn = (s.flags & TCP_ACK) && s.ack == o->isn + 1;
		if (!to_data && !to_syn)
			return TC_ACT_UNSPEC;
		o->state = REFUSED;
		path->negative_until = bpf_ktime_get_ns() + NEGATIVE_CACHE_NS;
		__sync_fetch_and_add(&path->refused, 1);
	} else if (s.seq - (o->suggested + 1) < (1u << 30) && s.ack - o->isn < (1u << 30)) {
		o->state = CONFIRMED;
		__sync_fetch_and_add(&path->confirmed_by_data, 1);
	}
	return TC_ACT_UNSPEC;
}
