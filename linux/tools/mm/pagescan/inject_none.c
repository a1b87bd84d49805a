// SPDX-License-Identifier: GPL-2.0
/* Where nobody has written how a process is made to do a system call. */
#include <errno.h>

#include "target.h"
#include "util.h"

int inject_uffd(pid_t pid, int pidfd, int *number, char *why)
{
	(void)pid;
	(void)pidfd;
	(void)number;
	because(why, "on this architecture pagescan cannot have a process make a userfaultfd");
	return -EOPNOTSUPP;
}
