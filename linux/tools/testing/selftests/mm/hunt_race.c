// SPDX-License-Identifier: GPL-2.0
/*
 * Writers that never stop, scanners that get and clear, and somebody who
 * disturbs both.  A page is copied after it was reported; in the end, after the
 * last writer and a last scan, each page is as its copy, or a write was lost.
 *
 * With one scanner and nothing else that makes a page count as written, a page
 * is reported only if it was written.  Writers count what they start and what
 * they finish on each unit: if no more was started until now than was finished
 * before the scan that reported it last, nobody wrote it in between.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hunt.h"

#define NR_WRITERS	2
#define MAX_SCANNERS	3
#define NR_PHASES	5
#define NR_SCANS	10	/* in each */
#define VEC_LEN		600
#define NR_LOCKS	64
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* Counters and the like are found by the first page of the unit. */
struct race {
	struct hunt_world *world;
	__u64 seed;
	unsigned int phase;
	bool strict;		/* not just no write is lost */
	/*
	 * Nothing makes a page WRITTEN but writers.  None of them writes by a
	 * reference to the page, as /proc/self/mem does: while there is one, and
	 * where references are looked at, its whole huge page stays written.
	 */
	bool counted;
	atomic_bool stop;
	atomic_bool writers_stop;
	atomic_ulong nr_writes;
	atomic_uint *started;
	atomic_uint *finished;
	unsigned int *before;	/* finished, before the scan that goes on */
	unsigned int *reported;	/* finished, before the last that reported it */
	bool *was_reported;
	char *copy;
	pthread_mutex_t locks[NR_LOCKS];
	pthread_mutex_t wrong_lock;
	const char *wrong;
};

struct thread {
	struct race *race;
	unsigned int index;
	struct hunt_random random;
	struct page_region vec[VEC_LEN];
	pthread_t thread;
};

/* The first thing that is wrong ends it all. */
static void race_wrong(struct race *race, const char *what, size_t page)
{
	const struct hunt_area *area = race->world->pages[page].area;

	pthread_mutex_lock(&race->wrong_lock);
	if (!race->wrong)
		race->wrong = hunt_wrong(race->world, "%s: page %zu, unit %zu of %s",
					 what, page,
					 (page - area->first_page) / area->per_unit,
					 area->kind.name);
	pthread_mutex_unlock(&race->wrong_lock);
	atomic_store(&race->stop, true);
}

/* What is not to be accessed now, or not there, will be. */
static void try_again(int signal)
{
	sched_yield();
}

static struct hunt_area *some_area(struct hunt_world *world,
				   struct hunt_random *random)
{
	return &world->areas[hunt_below(random, world->nr_areas)];
}

static void write_some(struct thread *me, unsigned int value)
{
	struct race *race = me->race;
	struct hunt_area *area = some_area(race->world, &me->random);
	unsigned int way = HUNT_NR_WAYS - 1, index, word;
	size_t page;

	index = hunt_below(&me->random, area->nr);
	/* Most of it falls on a few, which makes the others rare. */
	if (hunt_below(&me->random, 4))
		index = hunt_below(&me->random, hunt_min(area->nr, 8));
	/* What one phase leaves alone shows in the end what was lost in it. */
	if (index % 3 == race->phase % 3)
		return;
	if (me->index && !hunt_below(&me->random, 4))
		way = hunt_below(&me->random, race->counted ? HUNT_REFERS :
				 HUNT_PINS + 1);
	word = hunt_below(&me->random, area->mem.range.unit / 64) * 16 + me->index;
	page = area->first_page + index * area->per_unit;

	atomic_fetch_add(&race->started[page], 1);
	hunt_put(hunt_word(area, index, 0) + word, value, way);
	atomic_fetch_add(&race->finished[page], 1);
}

static void *writer_main(void *data)
{
	struct thread *me = data;
	unsigned int value = 0;

	while (!atomic_load(&me->race->writers_stop)) {
		write_some(me, ++value);
		if (!(atomic_fetch_add(&me->race->nr_writes, 1) % 64))
			sched_yield();
	}
	return NULL;
}

/* A unit was reported at this page, or might have been. */
static void take_unit(struct race *race, size_t page, bool report)
{
	const struct hunt_area *area = race->world->pages[page].area;
	size_t unit = (page - area->first_page) / area->per_unit;
	pthread_mutex_t *lock = &race->locks[page % NR_LOCKS];

	page = area->first_page + unit * area->per_unit;
	if (report && race->counted) {
		if (race->was_reported[page] &&
		    atomic_load(&race->started[page]) == race->reported[page])
			race_wrong(race, "REPORTED without being written", page);
		race->reported[page] = race->before[page];
		race->was_reported[page] = true;
	}
	pthread_mutex_lock(lock);
	memcpy(race->copy + page * race->world->page_size,
	       hunt_word(area, unit, 0), area->mem.range.unit);
	pthread_mutex_unlock(lock);
}

static size_t page_of(const struct race *race, __u64 addr)
{
	return (addr - to_u64(race->world->base)) / race->world->page_size;
}

static void take(struct race *race, __u64 start, __u64 end, bool report)
{
	size_t page = page_of(race, start), last = page_of(race, end);

	while (page < last) {
		const struct hunt_area *area = race->world->pages[page].area;

		if (!area) {
			page++;
			continue;
		}
		take_unit(race, page, report);
		page += area->per_unit;
	}
}

static void check_regions(struct race *race, const struct pm_scan_arg *arg,
			  const struct page_region *vec, int nr)
{
	__u64 pos = arg->start;
	int i;

	if (!race->strict)
		return;
	for (i = 0; i < nr; i++) {
		if (vec[i].start < pos || vec[i].end <= vec[i].start ||
		    vec[i].end > arg->end ||
		    (i && vec[i].start == pos &&
		     vec[i].categories == vec[i - 1].categories))
			race_wrong(race, "bad region",
				   race->world->areas[0].first_page);
		pos = vec[i].end;
	}
	if (arg->walk_end < pos || arg->walk_end > arg->end)
		race_wrong(race, "bad walk_end", race->world->areas[0].first_page);
}

/* From the unit of some area to the end of another. */
static void choose_window(struct thread *me, struct pm_scan_arg *arg)
{
	struct hunt_world *world = me->race->world;
	struct hunt_area *from = some_area(world, &me->random);
	struct hunt_area *to = some_area(world, &me->random);
	unsigned int index = hunt_below(&me->random, from->nr);

	arg->start = to_u64(world->base);
	arg->end = arg->start + (__u64)world->nr_pages * world->page_size;
	if (hunt_below(&me->random, 2) || to < from)
		return;
	arg->start = to_u64(hunt_word(from, index, 0));
	index = to == from ? index : 0;
	index += hunt_below(&me->random, to->nr - index);
	arg->end = to_u64(hunt_word(to, index, 0)) + to->mem.range.unit;
}

static void choose_scan(struct thread *me, struct pm_scan_arg *arg)
{
	static const unsigned int vec_lens[] = { 1, 2, 7, 64, 511, 512, 513, VEC_LEN };
	static const unsigned int limits[] = { 0, 0, 0, 512, 513, 1000 };

	*arg = (struct pm_scan_arg) {
		.size = sizeof(*arg),
		.flags = PM_SCAN_WP_MATCHING,
		.vec = to_u64(me->vec),
		.vec_len = vec_lens[hunt_below(&me->random, ARRAY_SIZE(vec_lens))],
		.max_pages = limits[hunt_below(&me->random, ARRAY_SIZE(limits))],
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = hunt_random(&me->random) & ALL_CATEGORIES,
	};
	choose_window(me, arg);
	if (hunt_below(&me->random, 2))
		arg->flags |= PM_SCAN_CHECK_WPASYNC;
	if (!hunt_below(&me->random, 6))
		arg->category_mask |= PAGE_IS_PRESENT;
	if (!hunt_below(&me->random, 6)) {
		arg->category_mask |= PAGE_IS_FILE;
		arg->category_inverted |= PAGE_IS_FILE;
	}
}

/* One scan to its end, in as many calls as it takes. */
static void scan(struct thread *me, struct pm_scan_arg *arg)
{
	struct race *race = me->race;
	size_t page;
	int nr, i;

	while (arg->start < arg->end) {
		for (page = 0; page < race->world->nr_pages; page++)
			race->before[page] = atomic_load(&race->finished[page]);
		nr = pagemap_scan(race->world->pagemap, arg);
		if (nr < 0 && race->strict)
			race_wrong(race, strerror(-nr),
				   race->world->areas[0].first_page);
		if (nr < 0)
			return;
		check_regions(race, arg, me->vec, nr);
		for (i = 0; i < nr; i++)
			take(race, me->vec[i].start, me->vec[i].end, true);
		/* Without a vec, it is all that may have been cleared. */
		if (!arg->vec_len)
			take(race, arg->start, arg->end, false);
		if (arg->walk_end <= arg->start)
			return;
		arg->start = arg->walk_end;
	}
}

/* Some just look, or clear and do not look, where there are many. */
static void *scanner_main(void *data)
{
	struct thread *me = data;
	struct pm_scan_arg arg;
	struct range range;

	while (!atomic_load(&me->race->stop)) {
		struct hunt_world *world = me->race->world;
		struct hunt_area *area = some_area(world, &me->random);

		choose_scan(me, &arg);
		switch (hunt_below(&me->random, 4)) {
		case 0:
			arg.vec_len = 0;
			scan(me, &arg);
			break;
		case 1:
			arg.flags = 0;
			if (pagemap_scan(world->pagemap, &arg) < 0 &&
			    me->race->strict)
				race_wrong(me->race, "cannot look", area->first_page);
			break;
		case 2:
			range = hunt_range(world, area, 0, area->nr);
			uffd_writeprotect(world->uffd, &range, true);
			take(me->race, addr_of(&range, 0),
			     addr_of(&range, range.nr), false);
			break;
		default:
			scan(me, &arg);
		}
	}
	return NULL;
}

/* What writes nothing, but to a copy of its own. */
static const enum hunt_op_type quiet_ops[] = {
	HUNT_MADVISE, HUNT_MADVISE, HUNT_MADVISE, HUNT_MADVISE, HUNT_MPROTECT,
	HUNT_MLOCK, HUNT_FORK, HUNT_MIGRATE, HUNT_MSYNC, HUNT_KSM, HUNT_SWAPOFF,
	HUNT_GLOBAL, HUNT_READ,
};

static const enum hunt_op_type loud_ops[] = {
	HUNT_PUNCH, HUNT_TRUNCATE, HUNT_PROTECT,
};

static bool is_quiet(const struct hunt_op *op)
{
	int advice;

	if (op->type != HUNT_MADVISE)
		return true;
	hunt_madvise_name(op->args[0], &advice);
	return advice == MADV_PAGEOUT || advice == MADV_COLD ||
	       advice == MADV_HUGEPAGE || advice == MADV_NOHUGEPAGE ||
	       advice == MADV_MERGEABLE || advice == MADV_UNMERGEABLE ||
	       advice == MADV_WILLNEED || advice == 22 || advice == 25;
}

/*
 * When a fault has the lock of a private mapping, hugetlb_unmap_file_folio() of
 * 6.1 itself takes the reservations of the mapping for another kind of lock.
 */
static bool dies_of(const struct hunt_area *area, enum hunt_op_type type)
{
	return area->kind.hugetlb && !hunt_is_shared(area) &&
	       (type == HUNT_PUNCH || type == HUNT_TRUNCATE);
}

static void disturb(struct thread *me)
{
	struct hunt_world *world = me->race->world;
	struct hunt_op op;
	unsigned int i;

	op.type = quiet_ops[hunt_below(&me->random, ARRAY_SIZE(quiet_ops))];
	if (!me->race->counted && !hunt_below(&me->random, 4))
		op.type = loud_ops[hunt_below(&me->random, ARRAY_SIZE(loud_ops))];
	op.area = hunt_below(&me->random, world->nr_areas);
	op.first = hunt_below(&me->random, world->areas[op.area].nr);
	op.nr = 1 + hunt_below(&me->random, world->areas[op.area].nr);
	if (hunt_below(&me->random, 2))
		op.first = 0;
	for (i = 0; i < HUNT_NR_ARGS; i++)
		op.args[i] = hunt_below(&me->random, 256);
	/* To arm is for those who take what they arm. */
	if (op.type == HUNT_PROTECT)
		op.args[0] = 0;
	if (me->race->counted && !is_quiet(&op))
		return;
	if (dies_of(&world->areas[op.area], op.type))
		return;
	/* The disturber alone keeps the model, and nobody looks at it. */
	hunt_do(world, &op);
	if (op.type == HUNT_MPROTECT) {
		sched_yield();
		op.args[0] = 2;
		hunt_do(world, &op);
	}
}

static void *disturber_main(void *data)
{
	struct thread *me = data;

	while (!atomic_load(&me->race->stop)) {
		disturb(me);
		sched_yield();
	}
	return NULL;
}

/* Units that are not as their copies, and do not count as written. */
static void compare_all(struct race *race)
{
	struct hunt_world *world = race->world;
	unsigned int i, j;
	size_t page;

	for (i = 0; i < world->nr_areas; i++) {
		struct hunt_area *area = &world->areas[i];

		for (j = 0; j < area->nr && !race->wrong; j++) {
			page = area->first_page + j * area->per_unit;
			if (!memcmp(hunt_word(area, j, 0),
				    race->copy + page * world->page_size,
				    area->mem.range.unit))
				continue;
			if (!race->wrong)
				race->wrong = hunt_check(world);
			if (!(world->pages[page].categories & PAGE_IS_WRITTEN))
				race_wrong(race, "LOST", page);
		}
	}
}

static const char *race_make(struct race *race)
{
	size_t nr = race->world->nr_pages, i;

	race->started = calloc(nr, sizeof(*race->started));
	race->finished = calloc(nr, sizeof(*race->finished));
	race->before = calloc(nr, sizeof(*race->before));
	race->reported = calloc(nr, sizeof(*race->reported));
	race->was_reported = calloc(nr, sizeof(*race->was_reported));
	race->copy = mmap(NULL, nr * race->world->page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!race->started || !race->finished || !race->before ||
	    !race->reported || !race->was_reported || race->copy == MAP_FAILED)
		return "out of memory";
	for (i = 0; i < NR_LOCKS; i++)
		pthread_mutex_init(&race->locks[i], NULL);
	pthread_mutex_init(&race->wrong_lock, NULL);
	signal(SIGSEGV, try_again);
	signal(SIGBUS, try_again);
	return NULL;
}

static struct thread *start(struct race *race, unsigned int index,
			    void *(*main)(void *data))
{
	struct thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		exit(HUNT_CANNOT);
	thread->race = race;
	thread->index = index;
	thread->random.state = race->seed + ((__u64)index << 32) +
			       ((__u64)race->phase << 40);
	if (main && pthread_create(&thread->thread, NULL, main, thread))
		exit(HUNT_CANNOT);
	return thread;
}

static void stop(struct thread *thread)
{
	pthread_join(thread->thread, NULL);
	free(thread);
}

/* When nobody writes any more, for all of what was written. */
static void scan_last(struct thread *me)
{
	struct pm_scan_arg arg;

	choose_scan(me, &arg);
	arg.start = to_u64(me->race->world->base);
	arg.end = arg.start + (__u64)me->race->world->nr_pages *
			      me->race->world->page_size;
	arg.max_pages = 0;
	arg.category_mask = PAGE_IS_WRITTEN;
	arg.category_inverted = 0;
	scan(me, &arg);
}

static void run_phase(struct race *race, enum hunt_scanners scanners)
{
	unsigned int nr_others = scanners == HUNT_MANY_SCANNERS ? MAX_SCANNERS : 1;
	struct thread *writers[NR_WRITERS], *others[MAX_SCANNERS], *me;
	struct pm_scan_arg arg;
	unsigned int i;

	atomic_store(&race->stop, false);
	atomic_store(&race->writers_stop, false);
	for (i = 0; i < NR_WRITERS; i++)
		writers[i] = start(race, i, writer_main);
	for (i = 0; i < nr_others; i++)
		others[i] = start(race, 10 + i, i ? scanner_main : disturber_main);
	me = start(race, 20, NULL);
	for (i = 0; i < NR_SCANS && !atomic_load(&race->stop); i++) {
		unsigned long before = atomic_load(&race->nr_writes);

		hunt_goes_on();
		choose_scan(me, &arg);
		scan(me, &arg);
		/* Some writes between any two scans, on any machine. */
		while (atomic_load(&race->nr_writes) == before)
			sched_yield();
	}
	/* The disturber first: writers may wait for what it took from them. */
	atomic_store(&race->stop, true);
	for (i = 0; i < nr_others; i++)
		stop(others[i]);
	atomic_store(&race->writers_stop, true);
	for (i = 0; i < NR_WRITERS; i++)
		stop(writers[i]);
	if (!race->wrong)
		scan_last(me);
	free(me);
}

const char *hunt_race(struct hunt_world *world, __u64 seed,
		      enum hunt_scanners scanners)
{
	static struct race race;
	const char *wrong;

	race.world = world;
	race.seed = seed;
	race.strict = world->exact;
	race.counted = race.strict && scanners == HUNT_ONE_SCANNER && seed % 2;
	/* There is no model of what happens all at once. */
	world->exact = false;
	wrong = race_make(&race);
	if (wrong)
		return wrong;
	for (race.phase = 0; race.phase < NR_PHASES && !race.wrong; race.phase++) {
		run_phase(&race, scanners);
		if (!race.wrong)
			compare_all(&race);
	}
	return race.wrong;
}
