/* SPDX-License-Identifier: GPL-2.0 */
/* What the unit tests share. */
#ifndef PAGESCAN_UNIT_H
#define PAGESCAN_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording.h"

#define SECOND	1000000000ULL

void result(bool ok, const char *name);
unsigned int random_below(unsigned int limit);

/* unit_file.c */
/* A recording of so many looks, one a second; pages 100 to 100 + pages each. */
char *make_file(size_t looks, uint64_t pages, uint64_t rss, size_t *len);
bool read_back(struct recording *rec, const char *text, size_t len, char *why);
void test_recordings(void);

#endif
