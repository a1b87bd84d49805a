// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the events of a userfaultfd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "event_monitor.h"

/* False when there is no room for more. */
static bool read_one(struct event_monitor *monitor)
{
	const ssize_t size = sizeof(monitor->msgs[0]);
	bool room;

	/* Whoever waits for the event goes on within read(). */
	pthread_mutex_lock(&monitor->lock);
	room = monitor->nr < ARRAY_SIZE(monitor->msgs);
	if (room && read(monitor->uffd, &monitor->msgs[monitor->nr], size) == size)
		monitor->nr++;
	pthread_mutex_unlock(&monitor->lock);
	return room;
}

static void *monitor_main(void *data)
{
	struct event_monitor *monitor = data;
	struct pollfd fds[2] = {
		{ .fd = monitor->uffd, .events = POLLIN },
		{ .fd = monitor->stop[0], .events = POLLIN },
	};

	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		if (!read_one(monitor))
			break;
	return NULL;
}

int event_monitor_start(struct event_monitor *monitor, int uffd)
{
	memset(monitor, 0, sizeof(*monitor));
	monitor->uffd = uffd;
	pthread_mutex_init(&monitor->lock, NULL);
	/* Neither to read an event that somebody else has read already. */
	if (fcntl(uffd, F_SETFL, O_NONBLOCK) || pipe(monitor->stop))
		return -errno;
	return -pthread_create(&monitor->thread, NULL, monitor_main, monitor);
}

void event_monitor_stop(struct event_monitor *monitor)
{
	close(monitor->stop[1]);
	pthread_join(monitor->thread, NULL);
	close(monitor->stop[0]);
}

unsigned int event_monitor_nr(struct event_monitor *monitor)
{
	unsigned int nr;

	pthread_mutex_lock(&monitor->lock);
	nr = monitor->nr;
	pthread_mutex_unlock(&monitor->lock);
	return nr;
}
