/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process that is looked at, and the one thing that is done to it: it makes
 * a userfaultfd, which we take away from it again at once.
 *
 * Only a process itself can make a userfaultfd of its memory. So its main thread
 * is stopped by ptrace, is made to call userfaultfd(), pidfd_getfd() copies the
 * descriptor to us, the thread is made to close() its own, and goes on from
 * where it was. From then on only we have the descriptor: when we are gone,
 * however that comes, the kernel undoes all that was registered.
 */
#ifndef PAGESCAN_TARGET_H
#define PAGESCAN_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Open the process: a pidfd. -errno, and the reason in why, if it is not there
 * or is not one that can be looked at.
 */
int target_open(pid_t pid, char *why);
/* Has the process of this pidfd ended, or does it within so many ms? A zombie has. */
bool target_ended(int pidfd, int timeout_ms);
/* Is it in a control group that is frozen? False if that cannot be seen. */
bool target_frozen(pid_t pid);
/* A field of /proc/PID/status as a number; -1 if it is not there. */
long long target_status(pid_t pid, const char *field, int base);
/*
 * The name of the program, clean for a terminal; "?" if it is not known. In one
 * static buffer.
 */
const char *target_name(pid_t pid);

/*
 * Have the process make a userfaultfd, and get it; number is what the process had
 * it by. A descriptor, or -errno and
 * the reason in why: -EPERM, -EACCES no right; -ESRCH it ended; -EBUSY somebody
 * else traces it; -EAGAIN not now; -EOPNOTSUPP it cannot be done to this process.
 *
 * A process of its own does it, in a session of its own, so that it comes to an
 * end also if we are killed meanwhile. -EINTR: we were asked to stop, and it still
 * waits, for a thaw for example, to let the process go as it was.
 */
int target_uffd(pid_t pid, int pidfd, int *number, char *why);
/*
 * What another thread forks meanwhile gets a copy, too. Its PID, if a child has a
 * userfaultfd by that number; else 0.
 */
pid_t target_child_with(pid_t pid, int number);
/* Is this number of a process a userfaultfd? */
bool target_has_uffd(pid_t pid, int number);

/* inject_*.c: what that process does. */
int inject_uffd(pid_t pid, int pidfd, int *number, char *why);

#endif
