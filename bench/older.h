/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Soft-dirty, for what compares with it.
 */
#ifndef _BENCH_OLDER_H
#define _BENCH_OLDER_H

#include "bench.h"

bool soft_dirty_works(void);
/* Forgets what was written, of the whole process. */
void soft_dirty_clear(void);
/* How many base pages were written, and which, if list is not NULL; or -errno. */
long soft_dirty_list(const struct range *range, size_t *list);

#endif
