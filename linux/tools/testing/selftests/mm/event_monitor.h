/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads the events of a uffd, as whoever asked for them must: the call that
 * causes one waits until it was read.
 */
#ifndef _SELFTESTS_MM_EVENT_MONITOR_H
#define _SELFTESTS_MM_EVENT_MONITOR_H

#include <linux/userfaultfd.h>
#include <pthread.h>

struct event_monitor {
	pthread_t thread;
	int uffd;
	int stop[2];
	pthread_mutex_t lock;	/* for msgs and nr, from before one is read */
	struct uffd_msg msgs[16];
	unsigned int nr;
};

/* 0 or -errno. */
int event_monitor_start(struct event_monitor *monitor, int uffd);
void event_monitor_stop(struct event_monitor *monitor);
/* How many it has read: all that a call has caused that has returned. */
unsigned int event_monitor_nr(struct event_monitor *monitor);

#endif
