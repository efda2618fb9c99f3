/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Initial window and congestion control of middle-leg sockets, for both ends. */
#ifndef OVERLAY_MIDDLE_LEG_H
#define OVERLAY_MIDDLE_LEG_H

#include "settings.h"

/* sys/socket.h and netinet/tcp.h, which a BPF program cannot include */
#define AF_INET 2
#define SOL_SOCKET 1
#define SO_KEEPALIVE 9
#define SOL_TCP 6
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_CONGESTION 13

static __always_inline void set_initial_window(struct bpf_sock_ops *ops, const struct settings *set)
{
	int window = set->initial_window;
	if (window > 0)
		bpf_setsockopt(ops, SOL_TCP, TCP_BPF_IW, &window, sizeof(window));
}

/* Sockets that use `congestion_from` get `congestion_to`: bbr becomes overlay_bbr, which forgets the dummy's RTT. */
static __always_inline void set_congestion_control(struct bpf_sock_ops *ops, const struct settings *set)
{
	char name[CONGESTION_NAME_LEN] = {};
	if (!set->congestion_to[0])
		return;
	if (bpf_getsockopt(ops, SOL_TCP, TCP_CONGESTION, name, sizeof(name)))
		return;
#pragma unroll
	for (int i = 0; i < CONGESTION_NAME_LEN; i++) {
		if (name[i] != set->congestion_from[i])
			return;
		if (!name[i])
			break;
	}
	__builtin_memcpy(name, set->congestion_to, sizeof(name));
	bpf_setsockopt(ops, SOL_TCP, TCP_CONGESTION, name, sizeof(name));
}

#endif
