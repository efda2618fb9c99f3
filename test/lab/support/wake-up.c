/*
 * How late this machine wakes a program that waits for nothing but the time, ahead of every other program (SCHED_FIFO):
 * asks to be woken each ms, 500 times, on one processor, and prints the lateness that 99 of 100 do not exceed, in us. No
 * other program can be on time more often.
 *
 *     wake-up CPU
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMES 500
#define STEP_NS 1000000L

static long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	long long difference = *(const long long *)a - *(const long long *)b;
	return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv)
{
	static long long late[TIMES];
	struct sched_param priority = {.sched_priority = 90};
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(argc > 1 ? atoi(argv[1]) : 0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || sched_setscheduler(0, SCHED_FIFO, &priority)) {
		perror("wake-up");
		return 1;
	}
	for (int i = 0; i < TIMES; i++) {
		long long due = now_ns() + STEP_NS;
		struct timespec at = {.tv_sec = due / 1000000000LL, .tv_nsec = due % 1000000000LL};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		late[i] = now_ns() - due;
	}
	qsort(late, TIMES, sizeof(late[0]), ascending);
	printf("%lld\n", late[TIMES * 99 / 100] / 1000);
	return 0;
}
