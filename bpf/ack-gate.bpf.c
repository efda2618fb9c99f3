// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The ACK gate: what leaves a virtual address acknowledges only what the backup holds.
 *
 * Egress: of a gated flow, the acknowledgement number is held at the gate and the window enlarged by the difference, so
 * that its right edge never moves back; a pure ACK that would say nothing new is dropped. FIN and RST leave only by the
 * relay's consent: when a process dies, the kernel closes its sockets, and the peers must not hear of it. A FIN or RST
 * without consent fences the host: nothing leaves the virtual address any more, ARP and neighbour advertisements
 * included, until the lease is given anew. The same when the lease runs out: a process that hangs fences itself.
 * Ingress: remembers what the peer has acknowledged, and cuts acknowledgements of bytes that a restored connection has
 * not sent yet (the server before it had).
 *
 * User space raises a gate by sending a bare ACK with KICK_MARK through a raw socket: this program fills it in. It is
 * the only way to make the kernel's side speak now (docs/ARCHITECTURE.md).
 */
#include "counters.h"
#include "gate-kick.h"
#include "gate-options.h"
#include "gate-sack.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define ARP_SENDER_ADDRESS (ETH_HLEN + 14)
#define ND_TARGET (ETH_HLEN + IPV6_LEN + 8)
#define ND_ADVERTISEMENT 136

static __always_inline struct lease *get_lease(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&lease, &zero);
}

static __always_inline bool is_fenced(const struct lease *l)
{
	if (l->epoch < l->newest_epoch)
		return true;
	return l->until && bpf_ktime_get_boot_ns() > l->until;
}

/* A lease of one nanosecond after boot: over, and not "none". */
static __always_inline void fence(struct lease *l)
{
	l->until = 1;
}

static __always_inline bool is_virtual(const __be32 addr[4])
{
	struct virtual_address key;
	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&virtual_addresses, &key);
}

/* A flow is known from its own SYN or SYN/ACK on: what is derived later from counters of the socket races. */
static __always_inline void open_flow(struct __sk_buff *skb, const struct gate_segment *g, bool mute)
{
	struct gate_options o;
	if (read_options(skb, g->tcp_at, g->header_len, &o))
		return;
	struct gated_flow f = {};
	f.window_scale = o.window_scale;
	f.timestamps = o.timestamps;
	f.tsval = o.tsval;
	f.iss = f.max_sent = f.peer_ack = g->seq + 1;
	if (g->flags & TCP_ACK) {
		f.state = mute ? MUTE : OPEN;
		f.gate = f.irs = f.last_ack = f.want_ack = g->ack;
		f.last_edge = f.want_edge = g->ack + g->window;
	} else {
		f.state = OPENING;
	}
	bpf_map_update_elem(&gated_flows, &g->key, &f, BPF_ANY);
}

static __always_inline void remember_timestamps(struct __sk_buff *skb, const struct gate_segment *g, struct gated_flow *f)
{
	struct timestamp_option ts;
	if (!f->timestamps || g->header_len < TCP_LEN + sizeof(ts) ||
	    bpf_skb_load_bytes(skb, g->tcp_at + TCP_LEN, &ts, sizeof(ts)) || ts.head != bpf_htonl(TIMESTAMP_HEAD))
		return;
	f->tsval = bpf_ntohl(ts.tsval);
	f->tsecr = bpf_ntohl(ts.tsecr);
}

/* True when a FIN or RST may leave. */
static __always_inline bool is_consented(const struct gate_segment *g, const struct permit *p)
{
	if (!p)
		return false;
	if (g->flags & TCP_RST)
		return p->flags & PERMIT_RST;
	return (p->flags & PERMIT_FIN) && ((p->flags & PERMIT_ANY_FIN) || g->seq + g->payload == p->fin_seq);
}

static __always_inline void turn_fin_into_reset(struct __sk_buff *skb, const struct gate_segment *g)
{
	const __u32 at = g->tcp_at;
	__be16 old, new;
	if (bpf_skb_load_bytes(skb, at + offsetof(struct tcp_header, offset), &old, 2))
		return;
	new = (old & bpf_htons(0xff00)) | bpf_htons(TCP_RST | TCP_ACK);
	bpf_l4_csum_replace(skb, at + offsetof(struct tcp_header, check), old, new, 2);
	bpf_skb_store_bytes(skb, at + offsetof(struct tcp_header, offset), &new, 2, 0);
}

static __always_inline int hold_at_gate(struct __sk_buff *skb, const struct gate_segment *g, struct gated_flow *f)
{
	__u32 edge = g->ack + ((__u32)g->window << (f->window_scale & 15));
	if (!after(f->want_ack, g->ack))
		f->want_ack = g->ack;
	if (!after(f->want_edge, edge))
		f->want_edge = edge;
	if (!after(g->ack, f->gate)) {
		f->last_ack = g->ack;
		if (after(edge, f->last_edge))
			f->last_edge = edge;
		return TC_ACT_UNSPEC;
	}
	enum sack_kind sack =
		remove_duplicate_report(skb, g, TCP_LEN + (f->timestamps ? sizeof(struct timestamp_option) : 0));
	if (!g->payload && !(g->flags & TCP_FIN) && sack != SACK && !after(f->gate, f->last_ack) && !after(edge, f->last_edge)) {
		count(ACK_DROPPED);
		return TC_ACT_SHOT;
	}
	__u32 window = (edge - f->gate) >> (f->window_scale & 15);
	if (window > 65535)
		window = 65535;
	store_u32(skb, g->tcp_at, offsetof(struct tcp_header, ack), g->ack, f->gate);
	store_window(skb, g->tcp_at, g->window, window);
	f->last_ack = f->gate;
	if (after(edge, f->last_edge))
		f->last_edge = edge;
	count(ACK_HELD);
	return TC_ACT_UNSPEC;
}

/* A SYN or SYN/ACK of ours, or the first segment after it. */
static __always_inline void open_acknowledgements(struct gated_flow *f, __u32 ack, __u32 edge)
{
	f->state = OPEN;
	f->gate = f->irs = f->last_ack = f->want_ack = ack;
	f->last_edge = f->want_edge = edge;
}

static __always_inline void pass_ungated(const struct gate_segment *g, struct gated_flow *f)
{
	__u32 edge = g->ack + ((__u32)g->window << (f->window_scale & 15));
	f->last_ack = f->want_ack = g->ack;
	f->last_edge = f->want_edge = edge;
	if (after(g->ack, f->gate))
		f->gate = g->ack;
}

/* The peer ignores what comes from before that which the server before us had sent, and with it the acknowledgement. */
static __always_inline void lift_sequence(struct __sk_buff *skb, const struct gate_segment *g, const struct gated_flow *f)
{
	if (!g->payload && !(g->flags & (TCP_FIN | TCP_RST)) && after(f->peer_ack, f->max_sent))
		store_u32(skb, g->tcp_at, offsetof(struct tcp_header, seq), g->seq, f->peer_ack);
}

static __noinline int gate_tcp(struct __sk_buff *skb, const struct gate_segment *g)
{
	__u32 zero = 0;
	struct gate_settings *set = bpf_map_lookup_elem(&gate_settings, &zero);
	struct lease *l = get_lease();
	if (!set || !l || !g)
		return TC_ACT_UNSPEC;
	if (skb->mark == SETUP_MARK)
		return TC_ACT_UNSPEC;
	struct permit *p = bpf_map_lookup_elem(&permits, &g->key);
	struct gated_flow *f = bpf_map_lookup_elem(&gated_flows, &g->key);
	bool ending = g->flags & (TCP_FIN | TCP_RST);
	/* also while fenced: the backup holds these bytes, and nobody says it again */
	if (skb->mark == KICK_MARK && f && after(g->ack, f->gate))
		f->gate = g->ack;
	if (is_fenced(l)) {
		if (ending && p && (p->flags & PERMIT_FENCED))
			return TC_ACT_UNSPEC;
		/* in a zero-RTT handshake the socket is connected all the same, and speaks when the lease is there again */
		if (g->flags & TCP_SYN)
			open_flow(skb, g, set->mute_accepted);
		count(FENCED_DROPPED);
		return TC_ACT_SHOT;
	}
	if (skb->mark == KICK_MARK)
		return f && !f->dead ? send_kick(skb, g, f) : TC_ACT_SHOT;
	if (p && (p->flags & PERMIT_UNGATED))
		return TC_ACT_UNSPEC;
	if (g->flags & TCP_SYN) {
		open_flow(skb, g, set->mute_accepted);
		return TC_ACT_UNSPEC;
	}
	if (ending && !set->solo) {
		bool consented = is_consented(g, p);
		if ((g->flags & TCP_RST) && consented)
			return TC_ACT_UNSPEC;
		/*
		 * An RST without ACK answers a stray segment: the kernel's own, not the death of a process. To our SYN a
		 * peer may answer with the ACK of an older connection, which has to be told (RFC 9293 section 3.5.2).
		 */
		if (!consented && (g->flags & TCP_RST) && !(g->flags & TCP_ACK))
			return (!f && set->answer_strays) || (f && f->state == OPENING) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
		if (!consented && f) {
			f->dead = 1;
			fence(l);
			count(NOT_CONSENTED);
			return TC_ACT_SHOT;
		}
	}
	/* nobody carries the connection on: its peer is not to take the death of a process for the end of the stream */
	if (set->solo && f && (g->flags & TCP_FIN) && !is_consented(g, p)) {
		turn_fin_into_reset(skb, g);
		count(NOT_CONSENTED);
		return TC_ACT_UNSPEC;
	}
	if (!f) {
		if (set->solo)
			return TC_ACT_UNSPEC;
		count(UNKNOWN_DROPPED);
		return TC_ACT_SHOT;
	}
	if (f->dead)
		return TC_ACT_SHOT;
	if (g->flags & TCP_RST)
		return TC_ACT_UNSPEC;
	if (f->state == OPENING)
		open_acknowledgements(f, g->ack, g->ack + ((__u32)g->window << (f->window_scale & 15)));
	__u32 end = g->seq + g->payload + (g->flags & TCP_FIN ? 1 : 0);
	if (after(end, f->max_sent))
		f->max_sent = end;
	remember_timestamps(skb, g, f);
	lift_sequence(skb, g, f);
	if (set->solo) {
		pass_ungated(g, f);
		return TC_ACT_UNSPEC;
	}
	if (f->state == MUTE) {
		count(MUTED);
		return TC_ACT_SHOT;
	}
	return hold_at_gate(skb, g, f);
}

/* ARP and neighbour advertisements for a virtual address, while fenced. */
static __always_inline int gate_neighbour(struct __sk_buff *skb)
{
	__be32 addr[4] = {};
	if (skb->protocol == bpf_htons(ETH_P_ARP)) {
		addr[2] = bpf_htonl(0xffff);
		if (bpf_skb_load_bytes(skb, ARP_SENDER_ADDRESS, &addr[3], 4))
			return TC_ACT_UNSPEC;
	} else {
		struct {
			__u8 type, code;
		} icmp;
		if (bpf_skb_load_bytes(skb, ETH_HLEN + IPV6_LEN, &icmp, 2) || icmp.type != ND_ADVERTISEMENT ||
		    bpf_skb_load_bytes(skb, ND_TARGET, addr, 16))
			return TC_ACT_UNSPEC;
	}
	struct lease *l = get_lease();
	if (!l || !is_fenced(l) || !is_virtual(addr))
		return TC_ACT_UNSPEC;
	count(FENCED_DROPPED);
	return TC_ACT_SHOT;
}

/* Anything else from a virtual address, while fenced. */
static __always_inline int gate_other(const __be32 source[4])
{
	struct lease *l = get_lease();
	if (!l || !is_fenced(l) || !is_virtual(source))
		return TC_ACT_UNSPEC;
	count(FENCED_DROPPED);
	return TC_ACT_SHOT;
}

static __always_inline bool is_enabled(void)
{
	__u32 zero = 0;
	struct gate_settings *set = bpf_map_lookup_elem(&gate_settings, &zero);
	return set && set->enabled;
}

SEC("tc")
int gate_egress(struct __sk_buff *skb)
{
	if (!is_enabled())
		return TC_ACT_UNSPEC;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return gate_neighbour(skb);
	struct gate_segment g;
	if (read_gate_segment(skb, true, &g))
		return is_virtual(g.key.local_addr) ? gate_tcp(skb, &g) : TC_ACT_UNSPEC;
	__be32 source[4] = {};
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		source[2] = bpf_htonl(0xffff);
		if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), &source[3], 4))
			return TC_ACT_UNSPEC;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		__u8 next;
		if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, nexthdr), &next, 1) ||
		    bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), source, 16))
			return TC_ACT_UNSPEC;
		if (next == IPPROTO_ICMPV6 && gate_neighbour(skb) == TC_ACT_SHOT)
			return TC_ACT_SHOT;
	} else {
		return TC_ACT_UNSPEC;
	}
	return gate_other(source);
}

SEC("tc")
int gate_ingress(struct __sk_buff *skb)
{
	struct gate_segment g;
	if (!is_enabled() || !read_gate_segment(skb, false, &g) || !is_virtual(g.key.local_addr))
		return TC_ACT_UNSPEC;
	struct gated_flow *f = bpf_map_lookup_elem(&gated_flows, &g.key);
	if (!f)
		return TC_ACT_UNSPEC;
	if (g.flags & TCP_SYN) {
		/* a SYN/ACK without an option takes it back from us (RFC 7323 sections 2.2 and 3.2) */
		struct gate_options o;
		if ((g.flags & TCP_ACK) && !read_options(skb, g.tcp_at, g.header_len, &o)) {
			if (!o.has_window_scale)
				f->window_scale = 0;
			if (!o.timestamps)
				f->timestamps = 0;
			/* a kick may be the first to leave, and says how the connection began (docs/PROTOCOL.md section 1.6) */
			f->tsecr = o.tsval;
			/* at once: no acknowledgement that leaves can be mistaken for this one's */
			if (f->state == OPENING)
				open_acknowledgements(f, g.seq + 1, g.seq + 1);
		}
		return TC_ACT_UNSPEC;
	}
	if (g.flags & TCP_RST) {
		f->peer_reset = f->state != OPENING;
		return TC_ACT_UNSPEC;
	}
	/* before a SYN/ACK, an acknowledgement is of an older connection */
	if (!(g.flags & TCP_ACK) || f->state == OPENING)
		return TC_ACT_UNSPEC;
	if (!after(f->peer_ack, g.ack))
		f->peer_ack = g.ack;
	if (after(g.ack, f->max_sent)) {
		struct permit *p = bpf_map_lookup_elem(&permits, &g.key);
		if (p && (p->flags & PERMIT_CLAMP)) {
			store_u32(skb, g.tcp_at, offsetof(struct tcp_header, ack), g.ack, f->max_sent);
			count(PEER_ACK_CUT);
		}
	}
	return TC_ACT_UNSPEC;
}

/*
 * Egress of the replication link's interface. A process that dies closes its sockets by its kernel: a FIN or an RST with
 * ACK says so, and from then on this host is silent, before the other server can know. Who is alive closes without a
 * packet. An RST without ACK answers a segment of a link that was closed so: the other side must not hear it. A FIN that
 * nobody acknowledges is repeated for a minute and more, when another process may own the addresses long since: only
 * sockets of this one count.
 */
SEC("tc")
int link_egress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct gate_settings *set = bpf_map_lookup_elem(&gate_settings, &zero);
	struct lease *l = get_lease();
	struct gate_segment g;
	if (!set || !set->enabled || !l || !read_gate_segment(skb, true, &g))
		return TC_ACT_UNSPEC;
	if (g.key.local_port != set->link_port && g.key.remote_port != set->link_port)
		return TC_ACT_UNSPEC;
	if ((g.flags & TCP_RST) && !(g.flags & TCP_ACK))
		return TC_ACT_SHOT;
	if (g.flags & (TCP_FIN | TCP_RST)) {
		__u64 cookie = bpf_get_socket_cookie(skb);
		if (bpf_map_lookup_elem(&link_sockets, &cookie)) {
			fence(l);
			count(LINK_CLOSED);
		}
	}
	return TC_ACT_UNSPEC;
}
