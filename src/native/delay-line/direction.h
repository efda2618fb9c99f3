/* One direction of the wire: its slots, and the heap of packets that wait until they are due. */
#pragma once

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "settings.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum { BATCH = 64, FRAME_BYTES = 2048, FLOW_SETS = 2048, FLOW_WAYS = 4 };

struct counters {
  uint64_t received, forwarded, lost, dropped_by_rule, held, duplicated, reordered, dropped_by_queue, oversize, unsent,
      overrun;
};

struct due {
  int64_t at;    /* CLOCK_MONOTONIC, nanoseconds */
  uint64_t turn; /* breaks ties, so equal times keep their order */
  uint32_t slot;
};

/* What of a flow has passed in this direction. Created by its SYN or SYN/ACK; another ISN makes it a new flow. */
struct flow {
  uint64_t key; /* 0: empty */
  uint32_t isn;
  uint32_t seen[KINDS];
};

enum stream { LOSS, JITTER, REORDER, DUPLICATE, STREAMS };

struct direction {
  pthread_mutex_t lock; /* held while packets are handled; main takes it to change settings and read counters */
  int rx, tx;
  struct settings set;
  struct counters count;
  uint64_t random[STREAMS]; /* one stream per purpose: asking for jitter does not change which packets are lost */
  unsigned char *frames;
  uint16_t *lengths;
  uint32_t *free_slots, free_count;
  struct due *heap;
  uint32_t heap_count, capacity;
  uint64_t turn;
  int64_t last_due;  /* packets that keep their order are never due before this */
  int64_t line_free; /* when the last packet has left at the limited rate */
  uint32_t total_seen[KINDS];
  struct flow flows[FLOW_SETS][FLOW_WAYS];
};

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* splitmix64, as a number in [0, 1). */
static double draw(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void seed_streams(struct direction *d, int is_ba) {
  for (int s = 0; s < STREAMS; s++) {
    d->random[s] = d->set.seed * 16 + (uint64_t)s * 2 + (uint64_t)is_ba;
    draw(&d->random[s]);
  }
}

static int before(const struct due *x, const struct due *y) {
  return x->at != y->at ? x->at < y->at : x->turn < y->turn;
}

static void heap_push(struct direction *d, struct due item) {
  uint32_t i = d->heap_count++;
  while (i > 0 && before(&item, &d->heap[(i - 1) / 2])) {
    d->heap[i] = d->heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  d->heap[i] = item;
}

static struct due heap_pop(struct direction *d) {
  struct due top = d->heap[0], last = d->heap[--d->heap_count];
  uint32_t i = 0;
  for (;;) {
    uint32_t child = 2 * i + 1;
    if (child >= d->heap_count) break;
    if (child + 1 < d->heap_count && before(&d->heap[child + 1], &d->heap[child])) child++;
    if (!before(&d->heap[child], &last)) break;
    d->heap[i] = d->heap[child];
    i = child;
  }
  d->heap[i] = last;
  return top;
}

static unsigned char *frame_at(struct direction *d, uint32_t slot) { return d->frames + (size_t)slot * FRAME_BYTES; }

static void keep(struct direction *d, uint32_t slot, int64_t at) {
  heap_push(d, (struct due){.at = at, .turn = d->turn++, .slot = slot});
}

static _Noreturn void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("delay-line: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

/** @param protocol ETH_P_ALL to receive, 0 for a socket that only sends */
static int open_interface(const char *name, int protocol) {
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)protocol)};
  address.sll_ifindex = (int)if_nametoindex(name);
  if (address.sll_ifindex == 0) die("there is no interface %s in this namespace", name);
  int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (s < 0) die("cannot open a packet socket: %s", strerror(errno));
  int on = 1, bytes = 32 << 20;
  if (setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on))
    die("PACKET_IGNORE_OUTGOING: %s", strerror(errno));
  if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes))
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (protocol == 0) setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  else setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (bind(s, (struct sockaddr *)&address, sizeof address)) die("bind to %s: %s", name, strerror(errno));
  return s;
}

static struct direction *new_direction(const char *from, const char *to, uint32_t capacity) {
  struct direction *d = calloc(1, sizeof *d);
  uint32_t slots = capacity + 2 * BATCH;
  if (!d) die("out of memory");
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&d->lock, &attributes);
  d->rx = open_interface(from, ETH_P_ALL);
  d->tx = open_interface(to, 0);
  d->capacity = capacity;
  /* Memory is touched only as far as packets wait: the free list is a stack. */
  d->frames = mmap(NULL, (size_t)slots * FRAME_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  d->lengths = calloc(slots, sizeof *d->lengths);
  d->free_slots = calloc(slots, sizeof *d->free_slots);
  d->heap = calloc(capacity + 1, sizeof *d->heap);
  if (d->frames == MAP_FAILED || !d->lengths || !d->free_slots || !d->heap) die("out of memory");
  for (uint32_t i = 0; i < slots; i++) d->free_slots[i] = slots - 1 - i;
  d->free_count = slots;
  d->set.queue_bytes = 1 << 20;
  d->set.seed = 1;
  return d;
}
