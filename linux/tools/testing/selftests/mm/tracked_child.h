/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another process whose memory is tracked: a child that does what it is told,
 * with memory at an address known to both.
 */
#ifndef _SELFTESTS_MM_TRACKED_CHILD_H
#define _SELFTESTS_MM_TRACKED_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "memory_kind.h"

struct tracked_child {
	struct memory mem;	/* its pagemap is the child's */
	pid_t pid;
	int sock;
};

/* What it can be told. */
enum child_command {
	CHILD_STORE = 's',	/* to unit 5, or what is that far round */
	CHILD_WRITE_ON = 'w',	/* all over the place, until told otherwise */
	CHILD_EXEC = 'e',	/* another program, which stops at once */
	CHILD_EXIT = 'x',
};

/*
 * Starts it, with every unit armed but for every "step"-th from "first" on, if
 * there is one.  The child calls become(), if that is not NULL, last of all; it
 * returns 0 if it could be done.  Returns NULL, or why there is no such child.
 */
const char *tracked_child_start(struct tracked_child *child,
				const struct memory_kind *kind,
				size_t first, size_t step,
				int (*become)(void *data), void *data);
/* Returns when it is done; false if the child is gone. */
bool tracked_child_does(struct tracked_child *child, enum child_command command);
void tracked_child_end(struct tracked_child *child);

#endif
