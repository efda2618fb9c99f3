/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a program counts, one number per CPU; src/lib/handshake/counters.ts names them. */
#ifndef OVERLAY_COUNTERS_H
#define OVERLAY_COUNTERS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define MAX_COUNTERS 32

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

static __always_inline void count(__u32 index)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &index);
	if (value)
		(*value)++;
}

#endif
