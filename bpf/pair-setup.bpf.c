// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * How connections to a pair's virtual address begin (docs/PROTOCOL.md section 4.5), on the ingress of its interfaces,
 * before the gate.
 *
 * A connection of which a client has heard must not depend on the server that it was told by. So the SYN/ACK is made
 * without state, of a key that both servers hold, and by the *backup*: the owner hands it the SYN. The backup so knows
 * each connection before its client can take it for open. The owner makes the child out of the client's next segment.
 * What does not verify goes to the kernel unchanged. A server that is not the owner takes nothing else in.
 */
#include "kernel-types.h"
#include "setup-answer.h"
#include "counters.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk, struct bpf_tcp_req_attrs *attrs,
				   int attrs__sz) __ksym;

/* A segment may stand so far behind the first byte and still be taken for one of the same connection. */
#define LATER_WINDOW (1u << 20)

enum verdict { FOREIGN, FIRST, LATER, KEEPALIVE_PROBE };

/* What a verified segment says. options: as hashed; first: the client's first sequence number. */
struct verified {
	__u32 options;
	__u32 first;
};

static __always_inline int place_of(__u32 behind)
{
	if (behind == 0)
		return FIRST;
	/* net/ipv4/tcp_output.c, tcp_xmit_probe_skb: one before what has been sent */
	if (behind == -1u)
		return KEEPALIVE_PROBE;
	return behind < LATER_WINDOW ? LATER : FOREIGN;
}

/* The connection is known here by its SYN, and with it where a later segment stands, with timestamps or without. */
static __always_inline int verify_seen(const struct gate_segment *g, bool has_timestamps, struct verified *out)
{
	struct seen_syn *seen = bpf_map_lookup_elem(&seen_syns, &g->key);
	if (!seen || seen->iss != g->ack - 1 || has_timestamps != (seen->options >> 8 == SETUP_WITH_TIMESTAMPS))
		return FOREIGN;
	out->options = seen->options;
	out->first = seen->isn + 1;
	return place_of(g->seq - out->first);
}

/*
 * Could this follow on a SYN/ACK of ours? Both keys and three time buckets are tried. A wrong one puts the segment anywhere:
 * of several places behind the first byte the nearest counts, since one of two that are wrong would make a connection
 * that nobody can use (once in 4096 such segments, were the first to fit taken).
 */
static __noinline int verify(const struct gate_segment *g, __u32 has_timestamps, __u32 tsecr, struct verified *out)
{
	__u32 zero = 0;
	struct setup_settings *set = bpf_map_lookup_elem(&setup_settings, &zero);
	if (!g || !set || !out)
		return FOREIGN;
	__u32 difference = g->ack - g->seq;
	__u32 options = has_timestamps ? tsecr & OPTION_MASK : (difference & 255) | SETUP_WITHOUT_TIMESTAMPS << 8;
	if (options >> 8 != (has_timestamps ? SETUP_WITH_TIMESTAMPS : SETUP_WITHOUT_TIMESTAMPS))
		return FOREIGN;
	struct flow f;
	__builtin_memcpy(f.edge_addr, g->key.remote_addr, 16);
	__builtin_memcpy(f.gateway_addr, g->key.local_addr, 16);
	f.edge_port = g->key.remote_port;
	f.gateway_port = g->key.local_port;
	__u32 now = setup_bucket(set);
	int found = FOREIGN;
	__u32 least = LATER_WINDOW;
	for (int i = 0; i < 6; i++) {
		if (i >= 3 && set->key_count < 2)
			break;
		__u32 d = isn_difference(flow_hash(&f, options, now - 1 + i % 3, set->key[i >= 3]), options);
		__u32 first = g->ack - d;
		__u32 behind = g->seq - first;
		int place = place_of(behind);
		if (place == FOREIGN || (place == LATER && behind >= least))
			continue;
		found = place;
		least = behind;
		out->options = options;
		out->first = first;
		if (place != LATER)
			return place;
	}
	return found;
}

static __always_inline struct bpf_sock *lookup_socket(struct __sk_buff *skb, const struct gate_segment *g)
{
	struct bpf_sock_tuple tuple;
	if (g->tcp_at == ETH_HLEN + IPV4_LEN) {
		tuple.ipv4.saddr = g->key.remote_addr[3];
		tuple.ipv4.daddr = g->key.local_addr[3];
		tuple.ipv4.sport = g->key.remote_port;
		tuple.ipv4.dport = g->key.local_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, g->key.remote_addr, 16);
	__builtin_memcpy(tuple.ipv6.daddr, g->key.local_addr, 16);
	tuple.ipv6.sport = g->key.remote_port;
	tuple.ipv6.dport = g->key.local_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* The packet creates a child of the listener; see bpf/handshake-gateway.bpf.c on the clock. */
static __always_inline long assign_child(struct __sk_buff *skb, struct bpf_sock *listener, __u32 options,
					 const struct timestamp_option *ts)
{
	__u32 zero = 0;
	struct setup_settings *set = bpf_map_lookup_elem(&setup_settings, &zero);
	struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(listener);
	if (!set || !sk || sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		return -1;
	bool timestamps = options >> 8 == SETUP_WITH_TIMESTAMPS;
	bool scaled = (options & 15) != NO_WINDOW_SCALE;
	struct bpf_tcp_req_attrs attrs = {
		.mss = index_to_mss((options >> 4) & 7),
		.snd_wscale = scaled ? options & 15 : 0,
		.rcv_wscale = scaled ? SETUP_WINDOW_SCALE : 0,
		.wscale_ok = scaled,
		.sack_ok = !!(options & OPTION_SACK),
		.tstamp_ok = timestamps,
	};
	if (timestamps) {
		attrs.rcv_tsval = bpf_ntohl(ts->tsval);
		attrs.rcv_tsecr = bpf_ntohl(ts->tsecr) + set->rtt_guess_ms;
	}
	return bpf_sk_assign_tcp_reqsk(skb, sk, &attrs, sizeof(attrs));
}

/* Takes a pure ACK back, or forward, to the first byte: what its client has sent since comes again. */
static __always_inline void move_to_first(struct __sk_buff *skb, const struct gate_segment *g, __u32 first)
{
	if (g->seq != first)
		store_u32(skb, g->tcp_at, offsetof(struct tcp_header, seq), g->seq, first);
}

/* The segment becomes the RST that a socket in TIME-WAIT obeys. */
static __always_inline void turn_into_reset(struct __sk_buff *skb, const struct gate_segment *g, struct bpf_sock *socket)
{
	struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(socket);
	if (!tw)
		return;
	const __u32 at = g->tcp_at;
	__be16 old, new;
	if (bpf_skb_load_bytes(skb, at + offsetof(struct tcp_header, offset), &old, 2))
		return;
	new = (old & bpf_htons(0xff00)) | bpf_htons(TCP_RST);
	store_u32(skb, at, offsetof(struct tcp_header, seq), g->seq, tw->tw_sk.__tw_common.skc_tw_rcv_nxt);
	bpf_l4_csum_replace(skb, at + offsetof(struct tcp_header, check), old, new, 2);
	bpf_skb_store_bytes(skb, at + offsetof(struct tcp_header, offset), &new, 2, 0);
}

/* g->payload counts the padding of short Ethernet frames, which is there on the way in. */
static __always_inline __u32 payload_by_header(struct __sk_buff *skb, const struct gate_segment *g)
{
	__be16 length;
	bool ipv4 = g->tcp_at == ETH_HLEN + IPV4_LEN;
	const __u32 at = ETH_HLEN + (ipv4 ? offsetof(struct iphdr, tot_len) : offsetof(struct ipv6hdr, payload_len));
	if (bpf_skb_load_bytes(skb, at, &length, 2))
		return 0;
	__u32 headers = g->header_len + (ipv4 ? IPV4_LEN : 0);
	/* a super-frame may say 0 or too little: it has data for sure */
	return bpf_ntohs(length) == headers ? 0 : g->payload;
}

static __noinline int on_segment(struct __sk_buff *skb, const struct gate_segment *g, struct bpf_sock *socket)
{
	struct timestamp_option ts = {};
	struct verified v = {};
	if (!g || !socket)
		return TC_ACT_UNSPEC;
	bool has_timestamps = g->header_len >= TCP_LEN + sizeof(ts) && !bpf_skb_load_bytes(skb, g->tcp_at + TCP_LEN, &ts, sizeof(ts)) &&
			      ts.head == bpf_htonl(TIMESTAMP_HEAD);
	int place = verify_seen(g, has_timestamps, &v);
	if (place == FOREIGN)
		place = verify(g, has_timestamps, bpf_ntohl(ts.tsecr), &v);
	/* an old connection in TIME-WAIT still gets segments of its own: only a first one is of a new connection */
	if (socket->state == BPF_TCP_TIME_WAIT) {
		if (place != FIRST)
			return TC_ACT_UNSPEC;
		turn_into_reset(skb, g, socket);
		count(SETUP_TIME_WAIT);
		return TC_ACT_UNSPEC;
	}
	if (place == FOREIGN) {
		count(SETUP_UNVERIFIED);
		return TC_ACT_UNSPEC;
	}
	if (place != FIRST) {
		if (payload_by_header(skb, g) || (g->flags & TCP_FIN)) {
			count(SETUP_LATER_DROPPED);
			return TC_ACT_SHOT;
		}
		move_to_first(skb, g, v.first);
		count(SETUP_LATER_ACK);
	}
	if (assign_child(skb, socket, v.options, &ts)) {
		count(SETUP_CHILD_FAILED);
		return TC_ACT_SHOT;
	}
	/* what is remembered of an older connection between the same ports must not touch this one */
	bpf_map_delete_elem(&gated_flows, &g->key);
	bpf_map_delete_elem(&permits, &g->key);
	count(SETUP_CHILD);
	/* on to the gate, which remembers the acknowledgement */
	return TC_ACT_UNSPEC;
}

static __always_inline bool is_listening(const struct gate_segment *g)
{
	struct listening_address key = {.port = g->key.local_port};
	__builtin_memcpy(key.addr, g->key.local_addr, 16);
	return bpf_map_lookup_elem(&setup_listeners, &key);
}

SEC("tc")
int setup_ingress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct setup_settings *set = bpf_map_lookup_elem(&setup_settings, &zero);
	struct setup_role *role = bpf_map_lookup_elem(&setup_role, &zero);
	struct gate_segment g;
	if (!set || !role || !set->key_count || !read_gate_segment(skb, false, &g))
		return TC_ACT_UNSPEC;
	struct virtual_address address;
	__builtin_memcpy(address.addr, g.key.local_addr, 16);
	if (!bpf_map_lookup_elem(&virtual_addresses, &address))
		return TC_ACT_UNSPEC;
	bool opening = (g.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	if (!role->owner) {
		if (opening && is_listening(&g))
			return answer_syn(skb, &g);
		count(SETUP_NOT_OWNER);
		return TC_ACT_SHOT;
	}
	if (!opening && (g.flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_ACK)
		return TC_ACT_UNSPEC;
	if (!is_listening(&g))
		return TC_ACT_UNSPEC;
	struct bpf_sock *socket = lookup_socket(skb, &g);
	int act = TC_ACT_UNSPEC;
	/* the processes of this server are dead, and the other is about to take over */
	if (!socket)
		return opening && role->via ? hand_over_syn(skb, &g) : act;
	bool waiting = socket->state == BPF_TCP_LISTEN || socket->state == BPF_TCP_TIME_WAIT;
	/* of a connection that exists, the kernel answers a SYN itself */
	if (waiting)
		act = opening ? TC_ACT_SHOT : on_segment(skb, &g, socket);
	bpf_sk_release(socket);
	if (waiting && opening)
		return role->via ? hand_over_syn(skb, &g) : answer_syn(skb, &g);
	return act;
}
