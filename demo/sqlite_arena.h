/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DEMO_SQLITE_ARENA_H
#define DEMO_SQLITE_ARENA_H

#include "arena.h"

/* Put SQLite into @a, before its first use. Return SQLITE_OK or its error. */
int sqlite_use_arena(struct arena *a);

#endif
