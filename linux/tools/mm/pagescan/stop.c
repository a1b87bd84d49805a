// SPDX-License-Identifier: GPL-2.0
/* Waiting; see stop.h */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "stop.h"
#include "util.h"

static volatile sig_atomic_t asked;
/* Let through only while waiting, so that none comes just before. */
static sigset_t while_waiting;

static void on_signal(int signal)
{
	asked = signal;
}

void stop_on_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal }, old;
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		/* As nohup(1) has it, say. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, &while_waiting);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigdelset(&while_waiting, signals[i]);
}

int stop_asked(void)
{
	return asked;
}

void stop_forget(void)
{
	asked = 0;
}

enum wake wait_until(uint64_t when, int pidfd, int key_fd)
{
	struct pollfd fds[] = {
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = key_fd, .events = POLLIN },
	};
	const uint64_t now = now_ns(), rest = when > now ? when - now : 0;
	struct timespec timeout = {
		.tv_sec = rest / 1000000000,
		.tv_nsec = rest % 1000000000,
	};

	ppoll(fds, ARRAY_SIZE(fds), &timeout, &while_waiting);
	if (asked)
		return WAKE_STOP;
	if (fds[0].revents)
		return WAKE_ENDED;
	if (fds[1].revents)
		return WAKE_KEY;
	return WAKE_TIME;
}
