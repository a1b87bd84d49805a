// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of the hunt: maps the areas of a script and tracks them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hunt.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

/* Far from where mmap() and the like put things: gaps are to stay gaps. */
#define BASE		((char *)(sizeof(long) == 8 ? 1UL << 43 : 0x50000000UL))
#define SPARE_SIZE	(16UL << 20)
#define VEC_SIZE	(32UL << 10)

#define EVENTS	(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | \
		 UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP)

const char *hunt_wrong(struct hunt_world *world, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(world->why, HUNT_WHY, fmt, args);
	va_end(args);
	return world->why;
}

struct range hunt_range(const struct hunt_world *world,
			const struct hunt_area *area, unsigned int first,
			unsigned int nr)
{
	struct range range = area->mem.range;

	range.addr += first * range.unit;
	range.nr = nr;
	range.pagemap = world->pagemap;
	return range;
}

/* Whoever asked for events has to read them: what causes one waits for it. */
static void *monitor_main(void *data)
{
	struct hunt_world *world = data;
	struct uffd_msg msg;

	while (read(world->uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		if (msg.event != UFFD_EVENT_FORK)
			continue;
		pthread_mutex_lock(&world->lock);
		if (world->nr_forks < HUNT_MAX_FORKS)
			world->forks[world->nr_forks++] = msg.arg.fork.ufd;
		else
			close(msg.arg.fork.ufd);
		pthread_mutex_unlock(&world->lock);
	}
	return NULL;
}

void hunt_close_forks(struct hunt_world *world)
{
	pthread_mutex_lock(&world->lock);
	while (world->nr_forks)
		close(world->forks[--world->nr_forks]);
	pthread_mutex_unlock(&world->lock);
}

/* The model of what memory_make() has done. */
static void model_state(struct hunt_area *area, enum memory_state state)
{
	unsigned int i;

	area->dense = area->mem.file_filled;
	for (i = 0; i < area->nr; i++)
		area->units[i].prot = PROT_READ | PROT_WRITE;
	for (i = 0; i < area->nr && state == MEMORY_READ; i++)
		hunt_model_read(area, i);
	for (i = 0; i < area->nr && state == MEMORY_WRITTEN; i++)
		hunt_model_write(area, i);
}

static const char *make_area(struct hunt_world *world, struct hunt_area *area,
			     const struct hunt_plan *plan)
{
	const char *reason;
	size_t i, j;

	area->nr = plan->nr;
	area->kind = *plan->kind;
	area->kind.nr = plan->nr;
	area->per_unit = plan->pages / plan->nr;
	area->units = calloc(area->nr, sizeof(*area->units));
	if (!area->units)
		return "out of memory";
	reason = memory_make_at(&area->mem, &area->kind, plan->state,
				world->base + area->first_page * world->page_size);
	if (reason)
		return reason;
	area->mapped = true;
	model_state(area, plan->state);
	for (i = 0; i < area->nr; i++) {
		for (j = 0; j < area->per_unit; j++) {
			size_t page = area->first_page + i * area->per_unit + j;

			world->pages[page].area = area;
			world->pages[page].unit = &area->units[i];
		}
	}
	return NULL;
}

static const char *track_area(struct hunt_world *world, struct hunt_area *area)
{
	struct range range = hunt_range(world, area, 0, area->nr);
	unsigned int i;

	if (uffd_register(world->uffd, &range, UFFDIO_REGISTER_MODE_WP))
		return "cannot register";
	for (i = 0; i < area->nr; i++)
		hunt_model_register(&area->units[i], true);
	return NULL;
}

static const char *make_room(struct hunt_world *world)
{
	size_t len = world->nr_pages * world->page_size;
	char *end;

	world->base = BASE;
	end = world->base + (len + SPARE_SIZE) / SPARE_SIZE * SPARE_SIZE;
	/* One page more, without access, where the vec ends. */
	world->vec_end = end + VEC_SIZE;
	world->spare = end + SPARE_SIZE;
	world->spare_size = SPARE_SIZE;
	len = world->spare + SPARE_SIZE - world->base;
	if (mmap(world->base, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != world->base)
		return "no address space";
	munmap(world->base, end - world->base);
	munmap(world->spare, SPARE_SIZE);
	world->vec = (struct page_region *)end;
	if (mprotect(end, VEC_SIZE, PROT_READ | PROT_WRITE))
		return "no memory for the vec";
	world->pages = calloc(world->nr_pages, sizeof(*world->pages));
	return world->pages ? NULL : "out of memory";
}

const char *hunt_world_make(struct hunt_world *world,
			    const struct hunt_script *script,
			    const struct swap_area *swap)
{
	size_t firsts[HUNT_MAX_AREAS];
	const char *reason;
	unsigned int i;

	world->page_size = base_page();
	world->nr_pages = hunt_layout(script, firsts);
	world->nr_areas = script->nr_areas;
	world->events = script->events;
	world->swap = swap;
	pthread_mutex_init(&world->lock, NULL);
	reason = make_room(world);
	if (reason)
		return reason;
	world->pagemap = pagemap_open(0);
	world->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC |
				UFFD_FEATURE_WP_UNPOPULATED |
				(world->events ? EVENTS : 0));
	if (world->pagemap < 0 || world->uffd < 0)
		return "no userfaultfd or pagemap";
	for (i = 0; i < world->nr_areas; i++) {
		struct hunt_area *area = &world->areas[i];

		area->first_page = firsts[i];
		if (!script->areas[i].kind)
			continue;
		reason = make_area(world, area, &script->areas[i]);
		if (!reason && script->areas[i].tracked)
			reason = track_area(world, area);
		if (reason)
			return reason;
	}
	if (world->events &&
	    pthread_create(&world->monitor, NULL, monitor_main, world))
		return "cannot start a thread";
	return NULL;
}
