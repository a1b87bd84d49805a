// SPDX-License-Identifier: GPL-2.0
/*
 * Moving memory that is being written: send all of it, then what was written
 * meanwhile, and so on, until the rest is small enough to stop the writer for.
 * The faster it is known what was written, the less there is of it.
 *
 * The writer writes at a fixed rate, to random pages. It is not a thread, which
 * would not run the same twice: it makes up for the time of each round after it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "older.h"
#include "scan.h"

#define AREA_PAGES	(128 * MIB / 4096)
#define SMALL		64	/* pages to stop the writer for */
#define MAX_ROUNDS	30
/* One page written each so many of the clock's units: 100 MiB/s by wall clock */
#define TIME_PER_WRITE	40000

struct move {
	struct area area;
	char *copy;
	bool soft_dirty;
	size_t next;		/* of the area's random pages, to be written */
	long rounds;
	long sent;
	__u64 time;		/* that finding out took */
};

static void send(struct move *move, size_t first, size_t nr)
{
	memcpy(move->copy + first * 4096,
	       move->area.mem.range.addr + first * 4096, nr * 4096);
}

/* What was written is sent, and from now on it is asked what is written. */
static long round_scan(struct move *move)
{
	const struct range *range = &move->area.mem.range;
	const struct query query = QUERY_TAKE;
	const struct page_region *vec = vec_of(query.vec_len);
	struct pm_scan_arg arg = query_arg(&query, range);
	const __u64 start = now();
	long i, nr, sent = 0;

	nr = pagemap_scan(range->pagemap, &arg);
	move->time += now() - start;
	for (i = 0; i < nr; i++) {
		const size_t len = (vec[i].end - vec[i].start) / 4096;

		send(move, (vec[i].start - addr_of(range, 0)) / 4096, len);
		sent += len;
	}
	return nr < 0 ? nr : sent;
}

/*
 * Soft-dirty cannot be read and cleared at once. It is safe all the same if it
 * is cleared before the pages are sent, as long as nobody writes in between.
 */
static long round_soft_dirty(struct move *move)
{
	const struct range *range = &move->area.mem.range;
	static size_t pages[AREA_PAGES];
	const __u64 start = now();
	long i, nr;

	nr = soft_dirty_list(range, pages);
	soft_dirty_clear();
	move->time += now() - start;
	for (i = 0; i < nr; i++)
		send(move, pages[i], 1);
	return nr;
}

static void catch_up(struct move *move, __u64 time)
{
	const struct area *area = &move->area;
	__u64 nr = time / TIME_PER_WRITE;

	/* More than once all over makes no difference. */
	if (nr > area->nr_units)
		nr = area->nr_units;
	while (nr--) {
		store(&area->mem.range, area->units[move->next]);
		move->next = (move->next + 1) % area->nr_units;
	}
}

static const char *move_all(struct move *move)
{
	__u64 start;
	long sent;

	do {
		start = now();
		sent = move->soft_dirty ? round_soft_dirty(move) :
					  round_scan(move);
		if (sent < 0)
			return "a round failed";
		move->rounds++;
		move->sent += sent;
		catch_up(move, now() - start);
	} while (sent > SMALL && move->rounds < MAX_ROUNDS);
	return NULL;
}

static void measure_move(bool soft_dirty)
{
	const char *way = soft_dirty ? WAY_SOFT_DIRTY : WAY_SCAN;
	struct move move = { .soft_dirty = soft_dirty };
	const char *reason;

	reason = area_make(&move.area, &memory_anon, AREA_PAGES,
			   MEMORY_WRITTEN);
	must(!reason, reason);
	area_pattern(&move.area, (struct pattern) { ORDER_RANDOM, 100 });
	if (!soft_dirty)
		area_track(&move.area);
	move.copy = mmap(NULL, AREA_PAGES * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(move.copy != MAP_FAILED, "mmap");
	reason = move_all(&move);
	if (reason) {
		unmeasured("precopy", way, reason);
	} else {
		report("precopy-rounds", way, "move", move.rounds, 1, 0);
		report("precopy-pages-sent", way, "move", move.sent, 1, 0);
		report("precopy-time-to-know", way, "round",
		       (double)move.time / move.rounds, move.rounds, 0);
	}
	munmap(move.copy, AREA_PAGES * 4096);
	area_free(&move.area);
}

void bench_precopy(void)
{
	if (!wanted("precopy"))
		return;
	measure_move(false);
	if (soft_dirty_works())
		measure_move(true);
}
