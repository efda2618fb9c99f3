/* The thread of one direction: receives, decides, waits, sends. */
#pragma once

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>

#include "packet.h"

/* A receive timestamp older than this is the clock having been set, not a packet that waited. */
static const int64_t OLDEST_ARRIVAL = 200 * (int64_t)NS_PER_MS;
/*
 * A timer in a virtual machine wakes an idle processor some 50 to 100 us late. So a thread wakes that much early and
 * spins, but for no more than one part in SPIN_SHARE of the time: under load there is always a packet to wake it.
 */
static const int64_t WAKE_EARLY = 100000, SPIN_SHARE = 100, SPIN_SAVED = 4 * (int64_t)NS_PER_MS;

/*
 * Arrival is stamped by the kernel, so a packet with a long way to go need not be fetched at once: fetching many at a time
 * leaves the processors to what is measured. A delay of SLACK_SHARE times the slack at least is then still kept.
 */
static const int64_t MAX_SLACK = NS_PER_MS, SLACK_SHARE = 4;
/* Batches that are fetched before what is due is looked at again. */
enum { MAX_RECEIVES = 8 };

/* Decides what becomes of a packet; returns 1 when its slot was kept. */
static int admit(struct direction *d, uint32_t slot, int length, int64_t arrival) {
  const struct settings *s = &d->set;
  struct packet p = classify(frame_at(d, slot), length);
  struct fate fate = {0};
  int64_t start = arrival, extra = 0;
  d->lengths[slot] = (uint16_t)length;
  if (p.impaired) {
    if (s->rule_count > 0 && p.kinds) fate = apply_rules(d, &p);
    if (fate.drop) return d->count.dropped_by_rule++, 0;
    if (s->loss > 0 && draw(&d->random[LOSS]) < s->loss) return d->count.lost++, 0;
    if (s->bytes_per_ns > 0) {
      if (d->line_free > start) start = d->line_free;
      if ((double)(start - arrival) * s->bytes_per_ns + length > (double)s->queue_bytes)
        return d->count.dropped_by_queue++, 0;
      d->line_free = start + (int64_t)(length / s->bytes_per_ns + 0.5);
      start = d->line_free;
    }
    if (s->reorder > 0 && draw(&d->random[REORDER]) < s->reorder) extra = s->reorder_delay, d->count.reordered++;
    if (fate.hold) extra += fate.hold, d->count.held++;
  }
  if (d->heap_count >= d->capacity) return d->count.dropped_by_queue++, 0;

  int64_t at = start + s->delay;
  if (p.impaired && s->jitter > 0) at += (int64_t)(draw(&d->random[JITTER]) * (double)s->jitter);
  if (at < d->last_due) at = d->last_due;
  if (extra == 0) d->last_due = at;
  keep(d, slot, at + extra);

  if (p.impaired && (fate.copy || (s->duplicate > 0 && draw(&d->random[DUPLICATE]) < s->duplicate)) &&
      d->heap_count < d->capacity && d->free_count > BATCH) {
    uint32_t copy = d->free_slots[--d->free_count - BATCH];
    /* The topmost BATCH free slots may be receiving right now: take the one below them and close the gap. */
    memmove(&d->free_slots[d->free_count - BATCH], &d->free_slots[d->free_count - BATCH + 1], BATCH * sizeof copy);
    memcpy(frame_at(d, copy), frame_at(d, slot), (size_t)length);
    d->lengths[copy] = (uint16_t)length;
    d->count.duplicated++;
    keep(d, copy, at + extra);
  }
  return 1;
}

struct batch {
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  union {
    char bytes[CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr align;
  } controls[BATCH];
  uint32_t slots[BATCH];
};

static int64_t arrival_of(struct msghdr *message, int64_t now, int64_t real_minus_monotonic) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS) continue;
    struct timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    int64_t at = t.tv_sec * NS_PER_S + t.tv_nsec - real_minus_monotonic;
    if (at <= now && now - at < OLDEST_ARRIVAL) return at;
  }
  return now;
}

/* The monotonic time, and by how much the real-time clock is ahead of it. An interrupt between the two readings would
 * falsify the difference: of four attempts the one with the least between counts. */
static int64_t read_clocks(int64_t *real_minus_monotonic) {
  int64_t now = 0, least = INT64_MAX;
  for (int attempt = 0; attempt < 4 && least > 1000; attempt++) {
    int64_t before = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);
    now = clock_ns(CLOCK_MONOTONIC);
    if (now - before >= least) continue;
    least = now - before;
    *real_minus_monotonic = real - before - least / 2;
  }
  return now;
}

/* Returns how many there were, at most BATCH. */
static int receive(struct direction *d, struct batch *b) {
  for (int i = 0; i < BATCH; i++) {
    b->slots[i] = d->free_slots[d->free_count - 1 - (uint32_t)i];
    b->vectors[i] = (struct iovec){frame_at(d, b->slots[i]), FRAME_BYTES};
    b->messages[i].msg_hdr = (struct msghdr){.msg_iov = &b->vectors[i], .msg_iovlen = 1,
        .msg_control = b->controls[i].bytes, .msg_controllen = sizeof b->controls[i].bytes};
  }
  int n = recvmmsg(d->rx, b->messages, BATCH, MSG_DONTWAIT, NULL);
  if (n <= 0) return 0; /* nothing there, or ENETDOWN: an interface that is down may come up again */
  int64_t offset = 0, now = read_clocks(&offset);
  uint32_t returned[BATCH];
  int returned_count = 0;
  d->count.received += (uint64_t)n;
  for (int i = 0; i < n; i++) {
    int kept = 0;
    if (b->messages[i].msg_hdr.msg_flags & MSG_TRUNC) d->count.oversize++;
    else kept = admit(d, b->slots[i], (int)b->messages[i].msg_len, arrival_of(&b->messages[i].msg_hdr, now, offset));
    if (!kept) returned[returned_count++] = b->slots[i];
  }
  d->free_count -= (uint32_t)n;
  /* Slots not received into lie below the n used ones: they stay; the returned ones go back on top of them. */
  for (int i = 0; i < returned_count; i++) d->free_slots[d->free_count++] = returned[i];
  return n;
}

static void send_due(struct direction *d, struct batch *b) {
  int64_t now = clock_ns(CLOCK_MONOTONIC);
  if (d->heap_count == 0 || d->heap[0].at > now) return;
  while (d->heap_count > 0 && d->heap[0].at <= now) {
    int n = 0, sent = 0;
    while (n < BATCH && d->heap_count > 0 && d->heap[0].at <= now) {
      uint32_t slot = heap_pop(d).slot;
      b->slots[n] = slot;
      b->vectors[n] = (struct iovec){frame_at(d, slot), d->lengths[slot]};
      b->messages[n].msg_hdr = (struct msghdr){.msg_iov = &b->vectors[n], .msg_iovlen = 1};
      n++;
    }
    while (sent < n) {
      int r = sendmmsg(d->tx, b->messages + sent, (unsigned)(n - sent), 0);
      if (r > 0) d->count.forwarded += (uint64_t)r, sent += r;
      else if (errno != EINTR) d->count.unsent++, sent++; /* the interface is down: a wire would lose it too */
    }
    for (int i = 0; i < n; i++) d->free_slots[d->free_count++] = b->slots[i];
  }
}

static void *work(void *argument) {
  struct direction *d = argument;
  struct batch *b = calloc(1, sizeof *b);
  if (!b) die("out of memory");
  prctl(PR_SET_TIMERSLACK, 1000); /* 1 us; the default of 50 us would show in every delay */
  struct sched_param priority = {.sched_priority = 10};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority); /* without the privilege: ordinary scheduling */
  int64_t next = 0, fetch = 0, credit = 0, credited = clock_ns(CLOCK_MONOTONIC);
  for (;;) {
    struct pollfd readable = {.fd = d->rx, .events = POLLIN};
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    int blind = fetch > now;
    credit += (now - credited) / SPIN_SHARE;
    credited = now;
    if (credit > SPIN_SAVED) credit = SPIN_SAVED;
    int64_t wait = next - now - (credit > WAKE_EARLY ? WAKE_EARLY : 0);
    int due_first = next && (!blind || next <= fetch);
    if (!due_first && blind) wait = fetch - now;
    struct timespec timeout = {wait > 0 ? wait / NS_PER_S : 0, wait > 0 ? wait % NS_PER_S : 0};
    ppoll(&readable, blind ? 0 : 1, next || blind ? &timeout : NULL, NULL);
    if (!readable.revents && due_first && credit > WAKE_EARLY) {
      int64_t from = clock_ns(CLOCK_MONOTONIC), t = from;
      while (t < next && t < from + WAKE_EARLY) t = clock_ns(CLOCK_MONOTONIC);
      credit -= t - from;
    }
    pthread_mutex_lock(&d->lock);
    if (readable.revents) {
      for (int turns = 0; turns < MAX_RECEIVES && receive(d, b) == BATCH; turns++) {}
      int64_t slack = d->set.delay / SLACK_SHARE;
      fetch = clock_ns(CLOCK_MONOTONIC) + (slack > MAX_SLACK ? MAX_SLACK : slack);
    }
    send_due(d, b);
    next = d->heap_count > 0 ? d->heap[0].at : 0; /* never before its time: what is due meanwhile leaves with it */
    pthread_mutex_unlock(&d->lock);
  }
}
