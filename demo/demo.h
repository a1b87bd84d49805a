/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include <stdbool.h>
#include "arena.h"

enum {
	EXIT_VERIFIED = 0,
	EXIT_FAILED = 1,	/* a check failed */
	EXIT_TROUBLE = 2,	/* wrong arguments, a full disk, ... */
	EXIT_SKIPPED = 4,	/* the kernel lacks the feature; as in kselftest */
};

/* What to do wrong at one checkpoint, to see that the checks notice. */
enum sabotage {
	SABOTAGE_NONE,
	SABOTAGE_SCAN,		/* lose a region that the kernel reported */
	SABOTAGE_SAVE,		/* leave a region out of the file */
};

struct options {
	const char *script;	/* NULL: the one built in */
	const char *dir;	/* of the checkpoint files */
	size_t arena_size;
	enum arena_memory memory;
	size_t vec_len;
	bool utf8;
	enum sabotage sabotage;
	size_t sabotage_at;
};

int live_main(const struct options *o);
int revive_main(const char *dir);

#endif
