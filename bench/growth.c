// SPDX-License-Identifier: GPL-2.0
/*
 * The same scans as memory grows, up to what there is of it.
 */
#include <stdio.h>

#include "scan.h"

static void measure_growth(size_t size)
{
	static const struct {
		const char *name;
		struct pattern pattern;
		struct query query;
	} cases[] = {
		{ "get-all", PATTERN_ALL, QUERY_WRITTEN },
		{ "take-all", PATTERN_ALL, QUERY_TAKE },
		{ "get-none", PATTERN_NONE, QUERY_WRITTEN },
		{ "take-none", PATTERN_NONE, QUERY_TAKE },
	};
	const char *reason;
	struct area area;
	char name[64];
	size_t i;

	reason = area_make(&area, &memory_anon, size / 4096, MEMORY_WRITTEN);
	must(!reason, reason);
	area_track(&area);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(name, sizeof(name), "growth-%s-%zuM", cases[i].name,
			 size / MIB);
		if (!wanted(name))
			continue;
		area_pattern(&area, cases[i].pattern);
		area_arm(&area);
		area_write(&area);
		measure_query(name, "page", &area, &cases[i].query);
	}
	area_free(&area);
}

void bench_growth(void)
{
	const size_t limit = largest_area();
	const unsigned int old = tries;
	size_t size;

	for (size = 4 * MIB; size <= limit; size *= 4) {
		/* Enough for times that are long; preparing them takes longer. */
		if (size >= GIB && tries > 2)
			tries = 2;
		measure_growth(size);
	}
	tries = old;
}
