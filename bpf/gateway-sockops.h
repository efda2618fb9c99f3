/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the gateway's middle-leg sockets get, and what is learned from them: the RTT to each edge. */
#ifndef OVERLAY_GATEWAY_SOCKOPS_H
#define OVERLAY_GATEWAY_SOCKOPS_H

#include "middle-leg.h"

/* Ports on which middle legs arrive, in network order. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be16);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ports SEC(".maps");

struct edge_address {
	__be32 addr[4];
};

struct edge_path {
	__u32 rtt_us; /* lowest of late; rises slowly */
	__u32 samples;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct edge_address);
	__type(value, struct edge_path);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} edges SEC(".maps");

/* A socket stops reporting after so many segments sent: the first round trips are what is wanted, cheaply. */
#define RTT_SAMPLE_SEGMENTS 32

static __always_inline void record_edge_rtt(struct bpf_sock_ops *ops)
{
	struct edge_address edge = {};
	if (ops->family == AF_INET) {
		__be32 ipv4 = ops->remote_ip4;
		barrier_var(ipv4);
		edge.addr[2] = bpf_htonl(0xffff);
		edge.addr[3] = ipv4;
	} else {
		edge.addr[0] = ops->remote_ip6[0];
		edge.addr[1] = ops->remote_ip6[1];
		edge.addr[2] = ops->remote_ip6[2];
		edge.addr[3] = ops->remote_ip6[3];
	}
	/* tcp_bpf_rtt() gives the sample since Linux 6.10; before that the smoothed RTT, times eight, has to do */
	__u32 rtt = ops->args[0] ? ops->args[0] : ops->srtt_us >> 3;
	struct edge_path fresh = {.rtt_us = rtt, .samples = 1};
	struct edge_path *path = bpf_map_lookup_elem(&edges, &edge);
	if (!path) {
		bpf_map_update_elem(&edges, &edge, &fresh, BPF_NOEXIST);
	} else {
		path->rtt_us = rtt < path->rtt_us ? rtt : path->rtt_us + (rtt - path->rtt_us) / 64;
		path->samples++;
	}
	if (ops->data_segs_out > RTT_SAMPLE_SEGMENTS)
		bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RTT_CB_FLAG);
}

SEC("sockops")
int gateway_sockops(struct bpf_sock_ops *ops)
{
	struct settings *set = get_settings();
	if (!set || bpf_get_netns_cookie(ops) != set->netns_cookie)
		return 1;
	__be16 port = bpf_htons(ops->local_port);
	switch (ops->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (!bpf_map_lookup_elem(&ports, &port))
			break;
		set_congestion_control(ops, set);
		set_initial_window(ops, set);
		bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		if (bpf_map_lookup_elem(&ports, &port))
			record_edge_rtt(ops);
		break;
	}
	return 1;
}

#endif
