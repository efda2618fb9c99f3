/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* SACK options of acknowledgements that are held at the gate. */
#ifndef OVERLAY_GATE_SACK_H
#define OVERLAY_GATE_SACK_H

#include "gate-segment.h"

/* NOP, NOP, SACK; the option's length is the last byte (net/ipv4/tcp_output.c, tcp_options_write). */
#define SACK_HEAD 0x01010500
#define SACK_ONE_BLOCK (SACK_HEAD | 10)
#define FOUR_NOPS 0x01010101

/* A SACK option's beginning, as it is in the packet. */
struct sack_option {
	__be32 head, left, right;
};

enum sack_kind { NO_SACK, SACK, ONLY_DUPLICATE };

/*
 * A first block below the acknowledgement number reports a duplicate (RFC 2883 section 4). Once the number is held back,
 * the block is above it: the sender takes it for received out of order, and what lies before it for lost, and sends all
 * that again. So the report is taken out: alone it becomes NOPs, before others a copy of the next.
 */
static __always_inline enum sack_kind remove_duplicate_report(struct __sk_buff *skb, const struct gate_segment *g,
							      __u32 option_at)
{
	struct sack_option sack;
	struct {
		__be32 left, right;
	} next;
	const __u32 at = g->tcp_at + option_at;
	if (g->header_len < option_at + sizeof(sack))
		return NO_SACK;
	if (bpf_skb_load_bytes(skb, at, &sack, sizeof(sack)))
		return SACK;
	const __u32 head = bpf_ntohl(sack.head), left = bpf_ntohl(sack.left), right = bpf_ntohl(sack.right);
	if ((head & 0xffffff00) != SACK_HEAD || (__s32)(g->ack - left) <= 0)
		return SACK;
	if (head == SACK_ONE_BLOCK) {
		store_u32(skb, g->tcp_at, option_at, head, FOUR_NOPS);
		store_u32(skb, g->tcp_at, option_at + 4, left, FOUR_NOPS);
		store_u32(skb, g->tcp_at, option_at + 8, right, FOUR_NOPS);
		return ONLY_DUPLICATE;
	}
	if (bpf_skb_load_bytes(skb, at + sizeof(sack), &next, sizeof(next)))
		return SACK;
	store_u32(skb, g->tcp_at, option_at + 4, left, bpf_ntohl(next.left));
	store_u32(skb, g->tcp_at, option_at + 8, right, bpf_ntohl(next.right));
	return SACK;
}

#endif
