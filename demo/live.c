// SPDX-License-Identifier: GPL-2.0
/*
 * The process that runs the script, takes a checkpoint after each transaction
 * and, at the end, checks that they bring everything back.
 *
 * All that serves the checking lies outside of the arena, and nothing here
 * writes to it: what is reported is what SQLite wrote.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "checkpoint.h"
#include "database.h"
#include "demo.h"
#include "picture.h"
#include "script.h"
#include "track.h"

struct page_state {
	bool changed;		/* since the last checkpoint */
	bool used;		/* has been changed at some time */
};

struct live {
	const struct options *o;
	struct arena arena;
	struct arena shadow;	/* the arena as of the last checkpoint */
	struct page_state *page;
	struct tracker tracker;
	struct written written;
	struct checkpoints saved;
	struct picture picture;

	size_t used;		/* pages in use */
	size_t full;		/* pages that full copies would have saved */
	size_t lost;		/* changed, not reported */
	size_t unchanged;	/* reported, not changed */
	size_t unclean;		/* written again though nothing ran */
	size_t resumed;		/* checkpoints that took more than one scan */
	unsigned int failures;
};

/* Begin the line that says what was checked. */
static void verdict(struct live *l, bool good)
{
	fputs(good ? "  ok    " : "  FAIL  ", stdout);
	l->failures += !good;
}

static void compare_with_shadow(struct live *l)
{
	size_t i;

	for (i = 0; i < arena_pages(&l->arena); i++) {
		l->page[i].changed = memcmp(arena_page(&l->arena, i), arena_page(&l->shadow, i),
					    ARENA_PAGE);
		if (l->page[i].changed && !l->page[i].used) {
			l->page[i].used = true;
			l->used++;
		}
	}
}

static void update_shadow(struct live *l)
{
	size_t i;

	for (i = 0; i < arena_pages(&l->arena); i++) {
		if (l->page[i].changed)
			memcpy(arena_page(&l->shadow, i), arena_page(&l->arena, i), ARENA_PAGE);
	}
}

/*
 * A page that changed must have been reported. The reverse need not hold: a
 * page that was written with the bytes it had is reported, and rightly.
 */
static void count_mistakes(struct live *l)
{
	const struct extent *e = l->written.extent;
	const struct extent *end = e + l->written.nr;
	bool reported;
	size_t i;

	for (i = 0; i < arena_pages(&l->arena); i++) {
		while (e < end && e->start + e->length <= i * ARENA_PAGE)
			e++;
		reported = e < end && e->start <= i * ARENA_PAGE;
		l->lost += l->page[i].changed && !reported;
		l->unchanged += reported && !l->page[i].changed;
	}
}

/* Drop the first extent in which something did change, if it is time to. */
static void drop_extent(struct live *l, enum sabotage kind)
{
	const struct extent *e;
	size_t i, page;

	if (l->o->sabotage != kind || l->o->sabotage_at != l->saved.nr)
		return;

	for (i = 0; i < l->written.nr; i++) {
		e = &l->written.extent[i];
		for (page = e->start; page < e->start + e->length; page += ARENA_PAGE) {
			if (l->page[page / ARENA_PAGE].changed) {
				written_drop(&l->written, i);
				return;
			}
		}
	}
	errx(EXIT_TROUBLE, "sabotage: nothing changed at checkpoint %zu", l->saved.nr);
}

static void print_heading(const struct live *l)
{
	printf("\n  # %-24s %5s  %6s %9s %5s %5s %8s %7s\n", "transaction", "pages", "share",
	       "saved KiB", "runs", "scans", l->o->utf8 ? "scan \u00b5s" : "scan us", "ns/page");
}

static void print_checkpoint(const struct live *l, const char *title, __u64 bytes)
{
	const struct written *w = &l->written;

	printf("%3zu %-24s %5zu %6.2f%% %9.1f %5zu %5u %8.1f %7.0f\n", l->saved.nr - 1, title,
	       w->pages, 100.0 * w->pages / arena_pages(&l->arena), bytes / 1024.0, w->nr,
	       w->calls, w->ns / 1e3, w->pages ? (double)w->ns / w->pages : 0.0);
	fflush(stdout);
}

static void checkpoint(struct live *l, const char *title)
{
	__u64 before = l->saved.bytes;

	track_collect(&l->tracker, &l->written);
	l->resumed += l->written.calls > 1;
	l->unclean += track_count(&l->tracker, PAGE_IS_WRITTEN);
	picture_add(&l->picture, &l->arena, &l->written);

	compare_with_shadow(l);
	drop_extent(l, SABOTAGE_SCAN);
	count_mistakes(l);
	drop_extent(l, SABOTAGE_SAVE);
	checkpoint_save(&l->saved, &l->arena, &l->written);
	update_shadow(l);
	l->full += l->used;

	print_checkpoint(l, title, l->saved.bytes - before);
}

static void map_arena(struct arena *a, size_t size, enum arena_memory memory)
{
	int ret = arena_map(a, size, memory);

	if (ret)
		errx(EXIT_TROUBLE, "cannot map an arena of %zu MiB: %s", size >> 20,
		     strerror(ret));
}

static void print_intro(struct live *l)
{
	static const char *const memory[] = {
		[ARENA_ANON] = "anonymous memory",
		[ARENA_THP] = "anonymous memory, huge pages asked for",
		[ARENA_SHMEM] = "a shared memfd",
	};
	struct utsname u;

	uname(&u);
	printf("SQLite %s on %s %s\n", sqlite3_libversion(), u.sysname, u.release);
	printf("Its heap and its disk are in one arena: %zu pages at %p, %s.\n",
	       arena_pages(&l->arena), (void *)l->arena.base, memory[l->o->memory]);
	if (l->o->memory == ARENA_THP)
		printf("%zu of the pages are in huge pages when tracking begins.\n",
		       track_count(&l->tracker, PAGE_IS_HUGE));
	printf("PAGEMAP_SCAN gets and clears the written pages, %zu runs of pages a call.\n",
	       l->o->vec_len);
}

static void run_script(struct live *l, sqlite3 *db)
{
	struct script script;

	script_load(&script, l->o->script);
	print_heading(l);
	while (script_transaction(&script, db))
		checkpoint(l, script.title);
	script_free(&script);

	if (!l->saved.nr)
		errx(EXIT_TROUBLE, "the script has no transactions");
	if (l->o->sabotage && l->o->sabotage_at >= l->saved.nr)
		errx(EXIT_TROUBLE, "sabotage: there were only %zu checkpoints", l->saved.nr);
}

static void print_sum(const struct live *l)
{
	printf("\nWhere the writes fell:\n\n");
	picture_print(&l->picture, &l->arena, l->o->utf8, stdout);
	printf("\n%zu checkpoints saved %.1f MiB; as many copies of the pages in use: %.1f MiB.\n",
	       l->saved.nr, l->saved.bytes / 1048576.0, l->full * ARENA_PAGE / 1048576.0);
	printf("%zu of them took more than one scan, each going on where the last one stopped.\n",
	       l->resumed);
}

static void check_tracking(struct live *l)
{
	printf("\nAt every checkpoint the arena was compared with a copy from the last one:\n");
	verdict(l, !l->lost);
	printf("%zu pages changed without being reported\n", l->lost);
	printf("        %zu pages reported unchanged (written with the bytes they had)\n",
	       l->unchanged);
	verdict(l, !l->unclean);
	printf("%zu pages read as written right after they had been cleared\n", l->unclean);
}

static void check_restored(struct live *l)
{
	struct restored restored;
	struct arena second;
	size_t same = 0;
	size_t i;

	map_arena(&second, l->arena.size, ARENA_ANON);
	checkpoint_restore(l->saved.dir, &second, &restored);
	for (i = 0; i < arena_pages(&second); i++)
		same += !memcmp(arena_page(&second, i), arena_page(&l->arena, i), ARENA_PAGE);

	printf("\nBase and %zu increments are restored into a second arena at %p:\n",
	       restored.nr - 1, (void *)second.base);
	verdict(l, restored.nr == l->saved.nr && !restored.wrong);
	printf("%zu of %zu steps give the arena as it was at that checkpoint\n",
	       restored.nr - restored.wrong, l->saved.nr);
	verdict(l, same == arena_pages(&second));
	printf("%zu of %zu pages are the same, byte for byte\n", same, arena_pages(&second));
	arena_unmap(&second);
}

/*
 * Run this program anew, on the checkpoint files alone. Return what it said of
 * the database's contents, to be freed.
 */
static char *run_reviver(const char *dir, int *status)
{
	size_t size, room = 0;
	char *said, *line = NULL;
	int pipes[2];
	FILE *keep;
	FILE *f;
	pid_t pid;

	fflush(stdout);
	if (pipe(pipes))
		err(EXIT_TROUBLE, "pipe");
	pid = fork();
	if (pid < 0)
		err(EXIT_TROUBLE, "fork");
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execl("/proc/self/exe", program_invocation_name, "--restore", dir, NULL);
		warn("/proc/self/exe");
		_exit(EXIT_TROUBLE);
	}

	close(pipes[1]);
	f = fdopen(pipes[0], "r");
	keep = open_memstream(&said, &size);
	if (!f || !keep)
		err(EXIT_TROUBLE, "reading from the new process");
	while (getline(&line, &room, f) > 0) {
		fputs(line, stdout);
		if (!strncmp(line, "  | ", 4))
			fputs(line, keep);
	}
	free(line);
	fclose(f);
	fclose(keep);
	if (waitpid(pid, status, 0) < 0)
		err(EXIT_TROUBLE, "waitpid");
	return said;
}

static void check_revived(struct live *l, sqlite3 *db)
{
	char *here, *there;
	size_t size;
	int status;
	bool same;
	FILE *f;

	f = open_memstream(&here, &size);
	if (!f)
		err(EXIT_TROUBLE, "open_memstream");
	database_report(db, f);
	fclose(f);

	putchar('\n');
	there = run_reviver(l->saved.dir, &status);
	verdict(l, WIFEXITED(status) && WEXITSTATUS(status) == EXIT_VERIFIED);
	printf("the new process ends with status %d\n",
	       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	same = *here && !strcmp(here, there);
	verdict(l, same);
	printf("the live database, asked the same, answers %s\n", same ? "the same" : "otherwise");
	free(here);
	free(there);
}

int live_main(const struct options *o)
{
	struct live l = { .o = o, .saved.dir = o->dir };
	const char *missing;
	sqlite3 *db;

	map_arena(&l.arena, o->arena_size, o->memory);
	map_arena(&l.shadow, o->arena_size, ARENA_ANON);
	l.page = calloc(arena_pages(&l.arena), sizeof(*l.page));
	if (!l.page)
		errx(EXIT_TROUBLE, "out of memory");

	missing = track_begin(&l.tracker, l.arena.base, l.arena.size, o->vec_len);
	if (missing) {
		printf("SKIP: %s: needs Linux 6.7, or 6.1 with this series\n", missing);
		return EXIT_SKIPPED;
	}

	print_intro(&l);
	arena_format(&l.arena);
	db = database_open(&l.arena);
	run_script(&l, db);

	print_sum(&l);
	check_tracking(&l);
	check_restored(&l);
	check_revived(&l, db);
	sqlite3_close(db);

	printf("\n%s: %u checks failed\n", l.failures ? "FAIL" : "PASS", l.failures);
	picture_free(&l.picture);
	written_free(&l.written);
	track_end(&l.tracker);
	free(l.page);
	arena_unmap(&l.shadow);
	arena_unmap(&l.arena);
	return l.failures ? EXIT_FAILED : EXIT_VERIFIED;
}
