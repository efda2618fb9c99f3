/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The number that the edge suggests and the options that travel in the timestamp: docs/PROTOCOL.md, and the same in
 * src/lib/handshake/suggested-isn.ts, tested against this file byte for byte.
 */
#ifndef OVERLAY_SUGGESTED_ISN_H
#define OVERLAY_SUGGESTED_ISN_H

#include "tcp-packet.h"

/* SipHash-2-4 (Aumasson and Bernstein, 2012) over 48 bytes, read as six little-endian 64-bit words. */
struct siphash_input {
	__u64 word[6];
	__u64 key[2];
};

#define ROTL64(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND                                                                                                       \
	do {                                                                                                           \
		v0 += v1; v1 = ROTL64(v1, 13); v1 ^= v0; v0 = ROTL64(v0, 32);                                          \
		v2 += v3; v3 = ROTL64(v3, 16); v3 ^= v2;                                                               \
		v0 += v3; v3 = ROTL64(v3, 21); v3 ^= v0;                                                               \
		v2 += v1; v1 = ROTL64(v1, 17); v1 ^= v2; v2 = ROTL64(v2, 32);                                          \
	} while (0)

/* A function of its own (not inlined): BPF's stack is 512 bytes over the whole chain of calls. */
static __noinline __u64 siphash48(const struct siphash_input *in)
{
	if (!in)
		return 0;
	__u64 v0 = in->key[0] ^ 0x736f6d6570736575ULL, v1 = in->key[1] ^ 0x646f72616e646f6dULL;
	__u64 v2 = in->key[0] ^ 0x6c7967656e657261ULL, v3 = in->key[1] ^ 0x7465646279746573ULL;
#pragma unroll
	for (int i = 0; i < 6; i++) {
		v3 ^= in->word[i];
		SIPROUND;
		SIPROUND;
		v0 ^= in->word[i];
	}
	const __u64 last = 48ULL << 56; /* the length, with no bytes left over */
	v3 ^= last;
	SIPROUND;
	SIPROUND;
	v0 ^= last;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

/*
 * The option bits: ten bits in the low end of the dummy's TSval. The edge's kernel echoes that value in each segment that
 * it sends before the gateway's first one arrives, so that the gateway can build its side from any of them.
 *   0-3 window scale of the edge, 4-6 MSS index, 7 SACK permitted, 8-9 version
 */
#define OPTION_BITS 10
#define OPTION_MASK ((1u << OPTION_BITS) - 1)
#define OPTION_SACK (1u << 7)
#define PROTOCOL_VERSION 1

/* What both ends take for granted of the gateway in version 1: the dummy says it and the child is built with it. */
#define GATEWAY_WINDOW_SCALE 10
#define GATEWAY_SYN_WINDOW 65535

static __always_inline __u32 mss_to_index(__u32 mss)
{
	return mss >= 8940 ? 7 : mss >= 1460 ? 6 : mss >= 1440 ? 5 : mss >= 1400 ? 4 : mss >= 1360 ? 3 : mss >= 1300 ? 2 : mss >= 1220 ? 1 : 0;
}

static __always_inline __u32 index_to_mss(__u32 index)
{
	switch (index) {
	case 7: return 8940;
	case 6: return 1460;
	case 5: return 1440;
	case 4: return 1400;
	case 3: return 1360;
	case 2: return 1300;
	case 1: return 1220;
	default: return 536;
	}
}

static __always_inline __u32 encode_options(__u32 window_scale, __u32 mss, bool sack)
{
	return (window_scale & 15) | mss_to_index(mss) << 4 | (sack ? OPTION_SACK : 0) | PROTOCOL_VERSION << 8;
}

/* A time bucket is 64 seconds of International Atomic Time, which has no leap seconds. offset_s: see struct settings. */
static __always_inline __u32 time_bucket(__s32 offset_s)
{
	return (__u32)((__s64)(bpf_ktime_get_tai_ns() / 1000000000ULL) + offset_s) >> 6;
}

/*
 * lo32(SipHash-2-4(edge address, gateway address, edge port, gateway port, option bits, bucket; key)). The suggested
 * number is this plus the edge's own ISN: adding it instead of hashing it lets the gateway tell from a later segment how
 * far it stands behind the first byte.
 */
static __always_inline __u32 flow_hash(const struct flow *f, __u32 options, __u32 bucket, const __u64 key[2])
{
	struct siphash_input in;
	in.word[0] = (__u64)f->edge_addr[0] | (__u64)f->edge_addr[1] << 32;
	in.word[1] = (__u64)f->edge_addr[2] | (__u64)f->edge_addr[3] << 32;
	in.word[2] = (__u64)f->gateway_addr[0] | (__u64)f->gateway_addr[1] << 32;
	in.word[3] = (__u64)f->gateway_addr[2] | (__u64)f->gateway_addr[3] << 32;
	in.word[4] = (__u64)f->edge_port | (__u64)f->gateway_port << 16 | (__u64)options << 32;
	in.word[5] = bucket;
	in.key[0] = key[0];
	in.key[1] = key[1];
	return (__u32)siphash48(&in);
}

#endif
