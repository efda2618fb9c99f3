/* What a packet is, and which rules it meets. */
#pragma once

#include "direction.h"

struct packet {
  int impaired; /* neither ARP nor neighbour discovery: hosts talk those when they like */
  unsigned kinds; /* bit per kind; 0: not TCP */
  uint64_t flow;
  uint32_t seq;
};

static uint64_t mix(uint64_t hash, const unsigned char *bytes, int length) {
  for (int i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u; /* FNV-1a */
  return hash;
}

static struct packet classify(const unsigned char *f, int length) {
  struct packet p = {0};
  if (length < ETH_HLEN + 20) return p;
  int ethertype = f[12] << 8 | f[13], addresses, address_bytes, tcp, end;
  const unsigned char *ip = f + ETH_HLEN;
  if (ethertype == ETH_P_IP) {
    p.impaired = 1;
    if (ip[9] != IPPROTO_TCP || ((ip[6] << 8 | ip[7]) & 0x1fff) != 0) return p;
    addresses = ETH_HLEN + 12, address_bytes = 8;
    tcp = ETH_HLEN + (ip[0] & 15) * 4;
    end = ETH_HLEN + (ip[2] << 8 | ip[3]);
  } else if (ethertype == ETH_P_IPV6 && length >= ETH_HLEN + 40) {
    int discovery = ip[6] == IPPROTO_ICMPV6 && length > ETH_HLEN + 40 && ip[40] >= 133 && ip[40] <= 137;
    int to_link_only = ip[24] == 0xff && ip[25] == 0x02; /* ff02::/16: discovery and multicast listener reports */
    p.impaired = !discovery && !to_link_only;
    if (ip[6] != IPPROTO_TCP) return p;
    addresses = ETH_HLEN + 8, address_bytes = 32;
    tcp = ETH_HLEN + 40;
    end = ETH_HLEN + 40 + (ip[4] << 8 | ip[5]);
  } else {
    return p;
  }
  if (tcp + 20 > length || end > length) return p;
  const unsigned char *t = f + tcp;
  int payload = end - tcp - (t[12] >> 4) * 4;
  int fin = t[13] & 1, syn = t[13] & 2, rst = t[13] & 4, ack = t[13] & 16;
  p.kinds = 1u << ANY;
  if (syn) p.kinds |= 1u << (ack ? SYNACK : SYN);
  if (fin) p.kinds |= 1u << FIN;
  if (rst) p.kinds |= 1u << RST;
  if (!syn && payload > 0) p.kinds |= 1u << DATA;
  if (ack && payload <= 0 && !syn && !fin && !rst) p.kinds |= 1u << ACK;
  p.flow = mix(mix(0xcbf29ce484222325u, f + addresses, address_bytes), t, 4) | 1;
  p.seq = (uint32_t)t[4] << 24 | t[5] << 16 | t[6] << 8 | t[7];
  return p;
}

/* The flow's record, or NULL when its opening was not seen. The oldest record of a full set makes room. */
static struct flow *find_flow(struct direction *d, const struct packet *p) {
  struct flow *set = d->flows[(p->flow >> 1) % FLOW_SETS];
  int opening = (p->kinds & (1u << SYN | 1u << SYNACK)) != 0, way = 0;
  while (way < FLOW_WAYS && set[way].key != p->flow) way++;
  if (way < FLOW_WAYS && !(opening && set[way].isn != p->seq)) return &set[way];
  if (!opening) return NULL;
  if (way == FLOW_WAYS) way--;
  memmove(set + 1, set, sizeof *set * (size_t)way);
  set[0] = (struct flow){.key = p->flow, .isn = p->seq};
  return &set[0];
}

struct fate {
  int drop, copy;
  int64_t hold;
};

static struct fate apply_rules(struct direction *d, const struct packet *p) {
  struct fate fate = {0};
  struct flow *flow = find_flow(d, p);
  for (int k = 0; k < KINDS; k++) {
    if (!(p->kinds & 1u << k)) continue;
    d->total_seen[k]++;
    if (flow) flow->seen[k]++;
  }
  for (int i = 0; i < d->set.rule_count; i++) {
    const struct rule *r = &d->set.rules[i];
    if (!(p->kinds & 1u << r->kind) || (r->each_flow && !flow)) continue;
    uint32_t nth = r->each_flow ? flow->seen[r->kind] : d->total_seen[r->kind];
    if (nth < r->first || nth > r->last) continue;
    if (r->action == DROP) fate.drop = 1;
    if (r->action == COPY) fate.copy = 1;
    if (r->action == HOLD && r->extra > fate.hold) fate.hold = r->extra;
  }
  return fate;
}
