/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the edge's sockets toward gateways get, whatever program they belong to: congestion control, initial window, and
 * keep-alive probes until the gateway is first heard.
 */
#ifndef OVERLAY_EDGE_SOCKOPS_H
#define OVERLAY_EDGE_SOCKOPS_H

#include "middle-leg.h"

/* Key of the gateways map: address as in struct flow, port in network order. */
struct gateway_key {
	__be32 addr[4];
	__be16 port;
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct gateway_key);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} gateways SEC(".maps");

/* The program's own keep-alive settings, to be put back. */
struct keepalive {
	int on, idle, interval;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct keepalive);
} own_keepalive SEC(".maps");

static __always_inline bool toward_gateway(struct bpf_sock_ops *ops)
{
	struct gateway_key key = {.port = ops->remote_port >> 16};
	if (ops->family == AF_INET) {
		__be32 ipv4 = ops->remote_ip4;
		/* or the compiler folds both branches into one load through a moved context pointer, which is not allowed */
		barrier_var(ipv4);
		key.addr[2] = bpf_htonl(0xffff);
		key.addr[3] = ipv4;
	} else {
		key.addr[0] = ops->remote_ip6[0];
		key.addr[1] = ops->remote_ip6[1];
		key.addr[2] = ops->remote_ip6[2];
		key.addr[3] = ops->remote_ip6[3];
	}
	return bpf_map_lookup_elem(&gateways, &key);
}

/*
 * Where SYN and first ACK are both lost and the program has nothing to say (the server speaks first), nothing would be
 * sent again: for the kernel the handshake is over. A keep-alive probe after one second carries sequence number ISN and
 * the suggested number, which is all that the gateway needs. Once a packet has come from the gateway, the program's own
 * settings are put back.
 */
static __always_inline void probe_until_heard(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	if (!sk)
		return;
	struct keepalive *own = bpf_sk_storage_get(&own_keepalive, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!own)
		return;
	bpf_getsockopt(ops, SOL_SOCKET, SO_KEEPALIVE, &own->on, sizeof(own->on));
	bpf_getsockopt(ops, SOL_TCP, TCP_KEEPIDLE, &own->idle, sizeof(own->idle));
	bpf_getsockopt(ops, SOL_TCP, TCP_KEEPINTVL, &own->interval, sizeof(own->interval));
	int one = 1;
	bpf_setsockopt(ops, SOL_TCP, TCP_KEEPIDLE, &one, sizeof(one));
	bpf_setsockopt(ops, SOL_TCP, TCP_KEEPINTVL, &one, sizeof(one));
	bpf_setsockopt(ops, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG);
}

static __always_inline void stop_probing(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	if (!sk)
		return;
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG);
	struct keepalive *own = bpf_sk_storage_get(&own_keepalive, sk, 0, 0);
	if (!own)
		return;
	bpf_setsockopt(ops, SOL_SOCKET, SO_KEEPALIVE, &own->on, sizeof(own->on));
	if (own->idle > 0)
		bpf_setsockopt(ops, SOL_TCP, TCP_KEEPIDLE, &own->idle, sizeof(own->idle));
	if (own->interval > 0)
		bpf_setsockopt(ops, SOL_TCP, TCP_KEEPINTVL, &own->interval, sizeof(own->interval));
	bpf_sk_storage_delete(&own_keepalive, sk);
}

SEC("sockops")
int edge_sockops(struct bpf_sock_ops *ops)
{
	struct settings *set = get_settings();
	if (!set || bpf_get_netns_cookie(ops) != set->netns_cookie)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (!toward_gateway(ops))
			break;
		/* not before connect(): it would be initialised then and take the dummy's round trip for its first sample */
		set_congestion_control(ops, set);
		set_initial_window(ops, set);
		if (set->keepalive)
			probe_until_heard(ops);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		stop_probing(ops);
		break;
	}
	return 1;
}

#endif
