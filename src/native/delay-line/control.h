/* Lines that change settings and ask for counters, from a socket or standard input. */
#pragma once

#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include "direction.h"

enum { CLIENTS = 8, LINE_BYTES = 4096 };

static struct direction *directions[2]; /* ab, ba */

/* Applies all words or, when one is wrong, none; the answer then names it. */
static int apply_words(char **words, int count, char *answer, size_t room) {
  struct settings next[2] = {directions[0]->set, directions[1]->set};
  int changed[2] = {0, 0};
  for (int w = 0; w < count; w++) {
    char text[LINE_BYTES], *word = text, *equals;
    int from = 0, to = 1;
    snprintf(text, sizeof text, "%s", words[w]);
    if (!strncmp(word, "ab.", 3)) to = 0, word += 3;
    else if (!strncmp(word, "ba.", 3)) from = 1, word += 3;
    equals = strchr(word, '=');
    if (equals) *equals = 0;
    for (int i = from; i <= to; i++) {
      char value[LINE_BYTES];
      snprintf(value, sizeof value, "%s", equals ? equals + 1 : "");
      if (equals && set_key(&next[i], word, value, &changed[i])) continue;
      snprintf(answer, room, "error \"%.200s\" is not a setting or is out of range", words[w]);
      return 0;
    }
  }
  for (int i = 0; i < 2; i++) {
    struct direction *d = directions[i];
    pthread_mutex_lock(&d->lock);
    d->set = next[i];
    if (changed[i] & CHANGED_SEED) seed_streams(d, i);
    if (changed[i] & CHANGED_RULES) memset(d->flows, 0, sizeof d->flows), memset(d->total_seen, 0, sizeof d->total_seen);
    pthread_mutex_unlock(&d->lock);
  }
  snprintf(answer, room, "ok");
  return 1;
}

static void print_counters(char *answer, size_t room) {
  size_t used = (size_t)snprintf(answer, room, "ok");
  for (int i = 0; i < 2; i++) {
    struct direction *d = directions[i];
    struct tpacket_stats packets = {0};
    socklen_t length = sizeof packets;
    getsockopt(d->rx, SOL_PACKET, PACKET_STATISTICS, &packets, &length); /* reading clears them */
    pthread_mutex_lock(&d->lock);
    d->count.overrun += packets.tp_drops;
    struct counters c = d->count;
    uint32_t waiting = d->heap_count;
    pthread_mutex_unlock(&d->lock);
    const char *way = i ? "ba" : "ab";
    struct { const char *name; uint64_t value; } all[] = {
        {"received", c.received}, {"forwarded", c.forwarded}, {"lost", c.lost}, {"dropped-by-rule", c.dropped_by_rule},
        {"held", c.held}, {"duplicated", c.duplicated}, {"reordered", c.reordered},
        {"dropped-by-queue", c.dropped_by_queue}, {"oversize", c.oversize}, {"unsent", c.unsent},
        {"overrun", c.overrun}, {"waiting", waiting}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
      used += (size_t)snprintf(answer + used, room - used, " %s.%s=%llu", way, all[k].name,
                               (unsigned long long)all[k].value);
  }
}

static void handle_line(char *line, int out) {
  char answer[LINE_BYTES], *words[64], *rest;
  int count = 0;
  for (char *w = strtok_r(line, " \t\r", &rest); w && count < 64; w = strtok_r(NULL, " \t\r", &rest)) words[count++] = w;
  if (count == 0) return;
  if (!strcmp(words[0], "quit")) exit(0);
  if (!strcmp(words[0], "stats")) print_counters(answer, sizeof answer - 1);
  else if (!strcmp(words[0], "set")) apply_words(words + 1, count - 1, answer, sizeof answer - 1);
  else snprintf(answer, sizeof answer - 1, "error there is no command \"%.200s\"; set, stats, quit", words[0]);
  strcat(answer, "\n");
  if (out < 0) return;
  if (out == 0) out = 1; /* standard input is answered on standard output */
  if (out == 1 ? write(out, answer, strlen(answer)) < 0 : send(out, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return; /* whoever asked is gone */
}

static int open_control(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) die("socket path is longer than 107 bytes: %s", path);
  strcpy(address.sun_path, path);
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(path);
  if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof address) || listen(s, CLIENTS))
    die("cannot listen on %s: %s", path, strerror(errno));
  return s;
}

struct client {
  int fd; /* -1: free */
  size_t used;
  char buffer[LINE_BYTES];
};

/* Reads what there is and handles whole lines; returns 0 at the end of the input. */
static int serve(struct client *c) {
  ssize_t n = read(c->fd, c->buffer + c->used, sizeof c->buffer - 1 - c->used);
  if (n <= 0) return n < 0 && errno == EINTR;
  c->used += (size_t)n;
  c->buffer[c->used] = 0;
  char *line = c->buffer, *end;
  while ((end = strchr(line, '\n'))) {
    *end = 0;
    handle_line(line, c->fd);
    line = end + 1;
  }
  c->used = strlen(line);
  memmove(c->buffer, line, c->used + 1);
  return c->used < sizeof c->buffer - 1; /* a line that long is no command */
}

static void control(int listener, int use_stdin) {
  static struct client clients[CLIENTS];
  for (int i = 0; i < CLIENTS; i++) clients[i].fd = -1;
  if (use_stdin) clients[0].fd = 0;
  for (;;) {
    struct pollfd fds[CLIENTS + 1] = {{.fd = listener, .events = POLLIN}};
    int room = -1;
    for (int i = 0; i < CLIENTS; i++) {
      fds[i + 1] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
      if (clients[i].fd < 0) room = i;
    }
    if (room < 0) fds[0].fd = -1;
    if (poll(fds, CLIENTS + 1, -1) < 0) continue;
    for (int i = 0; i < CLIENTS; i++) {
      if (clients[i].fd < 0 || !fds[i + 1].revents || serve(&clients[i])) continue;
      if (clients[i].fd == 0) exit(0); /* asked to end with its standard input */
      close(clients[i].fd);
      clients[i].fd = -1;
    }
    if (fds[0].revents && room >= 0) {
      clients[room].used = 0;
      clients[room].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
  }
}
