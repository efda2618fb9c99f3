/*
 * delay-line: joins two interfaces of one network namespace at layer 2 and makes the wire between them long, slow or
 * lossy. What netem does, on kernels without it, plus rules that hit one chosen TCP packet of each flow.
 *
 *   cc -O2 -pthread -Wall -Wextra -o delay-line delay-line.c
 *
 * One thread per direction receives with recvmmsg into preallocated slots, keeps them in a heap ordered by the time at
 * which they are due, and sends with sendmmsg. The delay counts from the kernel's receive timestamp, so a late wake-up
 * of the thread is not added to it. A third thread, main, takes settings and gives counters.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "delay-line/control.h"
#include "delay-line/worker.h"

static const char USAGE[] =
    "usage: delay-line [--socket PATH] [--stdin] [--owner PID] [--slots N] A B [SETTING...]\n"
    "\n"
    "Joins the interfaces A and B. A SETTING is KEY=VALUE for both directions, ab.KEY=VALUE for A to B, or ba.KEY=VALUE:\n"
    "  delay=MS  jitter=MS (added, evenly spread; packets keep their order)  loss=PERCENT  duplicate=PERCENT\n"
    "  reorder=PERCENT  reorder-delay=MS (added to the chosen packets, which others then pass)\n"
    "  rate=MBIT/S (0: no limit)  queue=BYTES (waiting for the rate; more are dropped)  seed=NUMBER\n"
    "  drop=RULE,...  copy=RULE,...  hold=RULE+MS,...  (none: no rules)\n"
    "A RULE is KIND:N, the Nth packet of that kind in every flow whose SYN or SYN/ACK passes after the rule was set, or\n"
    "KIND#N, the Nth packet of that kind of all flows; N may be a range, 1-3. Kinds: any syn synack ack data fin rst.\n"
    "ARP, IPv6 neighbour discovery and what goes to ff02::/16 are delayed and nothing else.\n"
    "\n"
    "--socket PATH  take lines there: \"set SETTING...\", \"stats\", \"quit\"; each is answered with \"ok ...\" or \"error ...\"\n"
    "--stdin        take the same lines on standard input, and exit when it ends\n"
    "--owner PID    exit when the parent process, which must be PID, is gone\n"
    "--slots N      packets kept in each direction, 2 KiB each (default 32768)\n";

int main(int argc, char **argv) {
  const char *socket_path = NULL;
  int use_stdin = 0, i = 1;
  double owner = 0, slots = 32768;
  for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
    if (!strcmp(argv[i], "--help")) return fputs(USAGE, stdout), 0;
    if (!strcmp(argv[i], "--stdin")) use_stdin = 1;
    else if (!strcmp(argv[i], "--socket") && i + 1 < argc) socket_path = argv[++i];
    else if (!strcmp(argv[i], "--owner") && i + 1 < argc && parse_number(argv[i + 1], 1, 4194304, &owner)) i++;
    else if (!strcmp(argv[i], "--slots") && i + 1 < argc && parse_number(argv[i + 1], BATCH, 1 << 22, &slots)) i++;
    else return fprintf(stderr, "delay-line: %s: unknown option, or its value is missing or wrong\n%s", argv[i], USAGE), 2;
  }
  if (argc - i < 2) return fprintf(stderr, "delay-line: two interfaces are needed\n%s", USAGE), 2;
  if (owner > 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != (pid_t)owner) return 0; /* it was gone before the kernel knew of our wish */
  }
  signal(SIGPIPE, SIG_IGN);
  directions[0] = new_direction(argv[i], argv[i + 1], (uint32_t)slots);
  directions[1] = new_direction(argv[i + 1], argv[i], (uint32_t)slots);
  seed_streams(directions[0], 0);
  seed_streams(directions[1], 1);
  char answer[LINE_BYTES];
  if (!apply_words(argv + i + 2, argc - i - 2, answer, sizeof answer)) die("%s", answer + strlen("error "));
  int listener = socket_path ? open_control(socket_path) : -1;
  for (int d = 0; d < 2; d++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, directions[d])) die("cannot start a thread");
  }
  puts("ready");
  fflush(stdout);
  control(listener, use_stdin);
}
