/* What one direction of the wire does to packets, and the words that say so. */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RULES = 16, NS_PER_MS = 1000000 };
static const int64_t NS_PER_S = 1000000000;

enum kind { ANY, SYN, SYNACK, ACK, DATA, FIN, RST, KINDS };
static const char *const kind_names[KINDS] = {"any", "syn", "synack", "ack", "data", "fin", "rst"};
enum action { DROP, COPY, HOLD };

struct rule {
  enum action action;
  enum kind kind;
  int each_flow;
  uint32_t first, last;
  int64_t extra; /* HOLD: nanoseconds */
};

struct settings {
  int64_t delay, jitter, reorder_delay;   /* nanoseconds */
  double loss, duplicate, reorder;        /* 0 to 1 */
  double bytes_per_ns;                    /* 0: no limit */
  int64_t queue_bytes;
  uint64_t seed;
  struct rule rules[RULES];
  int rule_count;
};


static int parse_number(const char *text, double low, double high, double *out) {
  char *end;
  errno = 0;
  *out = strtod(text, &end);
  return end != text && *end == 0 && errno == 0 && *out >= low && *out <= high;
}

/* KIND:N, KIND:N-M, KIND#N, and for HOLD +MS at the end. */
static int parse_rule(char *text, enum action action, struct rule *rule) {
  *rule = (struct rule){.action = action};
  char *plus = strchr(text, '+'), *end;
  double ms = 0;
  if ((action == HOLD) != (plus != NULL)) return 0;
  if (plus) {
    *plus = 0;
    if (!parse_number(plus + 1, 0, 60000, &ms)) return 0;
    rule->extra = (int64_t)(ms * NS_PER_MS);
  }
  char *mark = strpbrk(text, ":#");
  if (!mark) return 0;
  rule->each_flow = *mark == ':';
  *mark = 0;
  int kind = 0;
  while (kind < KINDS && strcmp(kind_names[kind], text)) kind++;
  if (kind == KINDS) return 0;
  rule->kind = (enum kind)kind;
  rule->first = rule->last = (uint32_t)strtoul(mark + 1, &end, 10);
  if (end == mark + 1) return 0;
  if (*end == '-') rule->last = (uint32_t)strtoul(end + 1, &end, 10);
  return *end == 0 && rule->first >= 1 && rule->last >= rule->first;
}

static int parse_rules(char *value, enum action action, struct settings *s) {
  int kept = 0;
  for (int i = 0; i < s->rule_count; i++)
    if (s->rules[i].action != action) s->rules[kept++] = s->rules[i];
  s->rule_count = kept;
  if (!strcmp(value, "none")) return 1;
  char *rest;
  for (char *word = strtok_r(value, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
    if (s->rule_count == RULES || !parse_rule(word, action, &s->rules[s->rule_count++])) return 0;
  return 1;
}

enum { CHANGED_SEED = 1, CHANGED_RULES = 2 };

/* Returns 0 when the key is unknown or its value out of range. */
static int set_key(struct settings *s, const char *key, char *value, int *changed) {
  static const char *const rule_keys[] = {"drop", "copy", "hold"};
  for (int action = DROP; action <= HOLD; action++)
    if (!strcmp(key, rule_keys[action])) return *changed |= CHANGED_RULES, parse_rules(value, (enum action)action, s);
  struct { const char *key; double high, unit; int64_t *integer; double *real; } keys[] = {
      {"delay", 60000, NS_PER_MS, &s->delay, NULL},      {"jitter", 60000, NS_PER_MS, &s->jitter, NULL},
      {"reorder-delay", 60000, NS_PER_MS, &s->reorder_delay, NULL}, {"queue", 1e9, 1, &s->queue_bytes, NULL},
      {"loss", 100, 0.01, NULL, &s->loss},               {"duplicate", 100, 0.01, NULL, &s->duplicate},
      {"reorder", 100, 0.01, NULL, &s->reorder},         {"rate", 100000, 1e6 / 8 / 1e9, NULL, &s->bytes_per_ns},
      {"seed", 9e15, 1, (int64_t *)&s->seed, NULL},
  };
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    double number;
    if (strcmp(key, keys[i].key)) continue;
    if (!parse_number(value, 0, keys[i].high, &number)) return 0;
    if (keys[i].integer) *keys[i].integer = (int64_t)(number * keys[i].unit + 0.5);
    else *keys[i].real = number * keys[i].unit;
    if (!strcmp(key, "seed")) *changed |= CHANGED_SEED;
    return 1;
  }
  return 0;
}
