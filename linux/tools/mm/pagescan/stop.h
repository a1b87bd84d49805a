/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting, until something comes up. */
#ifndef PAGESCAN_STOP_H
#define PAGESCAN_STOP_H

#include <stdint.h>

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT ask to stop. */
void stop_on_signals(void);
/* By the signal of this number; 0 if not. */
int stop_asked(void);
/* As if nobody had. */
void stop_forget(void);

enum wake { WAKE_TIME, WAKE_ENDED, WAKE_STOP, WAKE_KEY };

/*
 * Wait until a time (CLOCK_MONOTONIC, ns), for the process of a pidfd to end, to
 * be asked to stop, or, if key_fd is not -1, for input.
 */
enum wake wait_until(uint64_t when, int pidfd, int key_fd);

#endif
