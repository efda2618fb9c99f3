// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * For tests alone: runs the number and option encoding of suggested-isn.h on given input, so that the TypeScript side
 * can be held against it byte for byte. Run by BPF_PROG_TEST_RUN; never attached.
 */
#include "suggested-isn.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct vector {
	struct flow flow;
	__u32 window_scale;
	__u32 mss;
	__u32 sack;
	__u32 bucket;
	__u64 key[2];
	__u32 options; /* out */
	__u32 hash;    /* out */
	__u32 mss_back; /* out: the MSS that the other end reads from the option bits */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vector);
} vectors SEC(".maps");

SEC("tc")
int handshake_vector(struct __sk_buff *skb __attribute__((unused)))
{
	__u32 zero = 0;
	struct vector *v = bpf_map_lookup_elem(&vectors, &zero);
	if (!v)
		return 1;
	v->options = encode_options(v->window_scale, v->mss, v->sack);
	v->hash = flow_hash(&v->flow, v->options, v->bucket, v->key);
	v->mss_back = index_to_mss((v->options >> 4) & 7);
	return 0;
}
