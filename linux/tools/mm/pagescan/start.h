/* SPDX-License-Identifier: GPL-2.0 */
/* A command that is started to be recorded. */
#ifndef PAGESCAN_START_H
#define PAGESCAN_START_H

#include <sys/types.h>

/*
 * Start a command, and hold it (it is stopped) before its first instruction; where
 * somebody traces us, it runs. Its PID; or 0 if there is none, and what there is
 * to exit with in status.
 */
pid_t start_command(char **argv, int *status);
/* Let it go. */
void start_go(pid_t pid);
/*
 * Wait for it: its exit status, or 128 and the number of the signal that ended it;
 * or of the one that has asked us to stop waiting.
 */
int start_wait(pid_t pid);

#endif
