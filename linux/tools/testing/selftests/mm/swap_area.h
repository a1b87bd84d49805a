/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A swap area of the test's own, so that the test may take it away again: a
 * file in the test directory, or a zram device.
 */
#ifndef _SELFTESTS_MM_SWAP_AREA_H
#define _SELFTESTS_MM_SWAP_AREA_H

#include <stdbool.h>
#include <stddef.h>

struct swap_area {
	char path[256];
	bool zram;
};

/* Returns NULL, or why there cannot be one. */
const char *swap_area_on(struct swap_area *area, size_t size);
/* Brings everything in it back to memory; 0 or -errno. */
int swap_area_off(struct swap_area *area);

/*
 * Keeps this thread, and those that it starts, on one processor: a page that was
 * just faulted in waits on the list of one, and is not reclaimed from another.
 */
void stay_here(void);

#endif
