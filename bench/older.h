/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The older ways, for what compares with them.
 */
#ifndef _BENCH_OLDER_H
#define _BENCH_OLDER_H

#include "bench.h"

/* Forgets what was written, of the whole process. */
void soft_dirty_clear(void);
bool soft_dirty_works(void);
/* How many pages of the range were written; not atomic with forgetting it. */
long soft_dirty_count(const struct range *range);

/* Arms the range by mprotect(); a handler of SIGSEGV opens each page. */
void mprotect_arm(const struct range *range);
/* Ends that. */
void mprotect_disarm(const struct range *range);

#endif
