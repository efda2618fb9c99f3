/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What of its own SYN's options the gate has to know. */
#ifndef OVERLAY_GATE_OPTIONS_H
#define OVERLAY_GATE_OPTIONS_H

#include "gate-segment.h"

/* Window scale and timestamps of a SYN or SYN/ACK (RFC 9293 section 3.1, RFC 7323). tsval: host order. */
struct gate_options {
	__u32 tsval;
	__u8 window_scale;
	__u8 has_window_scale;
	__u8 timestamps;
};

static __noinline int read_options(struct __sk_buff *skb, __u32 tcp_at, __u32 header_len, struct gate_options *out)
{
	__u8 bytes[MAX_OPTION_BYTES + 4] = {};
	if (!out)
		return -1;
	out->window_scale = out->has_window_scale = out->timestamps = 0;
	out->tsval = 0;
	/* options come in whole words */
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
		__u8 kind = bytes[i];
		if (kind == 0)
			break;
		if (kind == 1)
			continue;
		if (kind == 3) {
			out->has_window_scale = 1;
			out->window_scale = bytes[i + 2] > 14 ? 14 : bytes[i + 2];
		}
		if (kind == 8) {
			out->timestamps = 1;
			out->tsval = (__u32)bytes[i + 2] << 24 | (__u32)bytes[i + 3] << 16 | (__u32)bytes[i + 4] << 8 | bytes[i + 5];
		}
		if (bytes[i + 1] < 2)
			break;
		skip = bytes[i + 1] - 1;
	}
	return 0;
}

#endif
