// SPDX-License-Identifier: GPL-2.0
/*
 * The process that gets nothing but the checkpoint files: it has never run the
 * script, and has SQLite open and use the database that it finds in them.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "database.h"
#include "demo.h"

/* The restored database must be one to write to, too. */
static const char write_some[] =
	"BEGIN;"
	"CREATE TABLE afterlife(n INTEGER PRIMARY KEY, text TEXT);"
	"WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 500) INSERT INTO afterlife SELECT n, 'row ' || n FROM c;"
	"COMMIT;"
	"DROP TABLE afterlife;";

static bool say(bool good, const char *what)
{
	printf("  %-52s %s\n", what, good ? "yes" : "NO");
	return good;
}

int revive_main(const char *dir)
{
	struct restored restored;
	struct arena arena;
	const char *wrong;
	bool good;
	sqlite3 *db;
	int ret;

	ret = arena_map(&arena, checkpoint_arena_size(dir), ARENA_ANON);
	if (ret)
		errx(EXIT_TROUBLE, "cannot map an arena: %s", strerror(ret));
	checkpoint_restore(dir, &arena, &restored);

	printf("A new process (%d) reads %zu checkpoints into an arena at %p:\n", getpid(),
	       restored.nr, (void *)arena.base);
	good = say(!restored.wrong, "each step gives the arena as it was at that time");
	if (restored.wrong)
		printf("  %zu of %zu steps do not\n", restored.wrong, restored.nr);
	wrong = arena_check(&arena);
	good &= say(!wrong, "the heap in it is in order");
	if (wrong)
		errx(EXIT_FAILED, "%s: restored heap: %s", dir, wrong);

	/* SQLite's new allocations go on from the old heap's lists. */
	db = database_open(&arena);
	good &= say(database_sound(db, stdout), "PRAGMA integrity_check of the restored database");
	database_report(db, stdout);
	database_exec(db, write_some);
	good &= say(database_sound(db, stdout) && !arena_check(&arena),
		    "it takes new transactions and stays in order");
	sqlite3_close(db);
	arena_unmap(&arena);
	return good ? EXIT_VERIFIED : EXIT_FAILED;
}
