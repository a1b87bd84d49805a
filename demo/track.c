// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "demo.h"
#include "track.h"

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* A first get-and-clear: to have no room for regions is to want none. */
static void arm_all(struct tracker *t)
{
	struct pms_scan scan;
	int ret = 0;

	pms_begin(&scan, t->pagemap, t->start, t->end, NULL, 0);
	pms_written(&scan, true);
	while (!ret && !pms_done(&scan))
		ret = pms_get(&scan);
	if (ret)
		errx(EXIT_TROUBLE, "PAGEMAP_SCAN: %s", strerror(-ret));
}

/*
 * Register the range and arm all of it, empty pages included.
 *
 * Return NULL, or what this kernel is missing. Trouble of another kind ends the
 * program.
 */
const char *track_begin(struct tracker *t, void *start, size_t size, size_t vec_len)
{
	const __u64 begin = (unsigned long)start;
	int ret;

	*t = (struct tracker) {
		.start = begin,
		.end = begin + size,
		.vec = calloc(vec_len, sizeof(*t->vec)),
		.vec_len = vec_len,
	};
	if (!t->vec)
		errx(EXIT_TROUBLE, "out of memory");

	t->pagemap = pms_open(0);
	if (t->pagemap == -ENOENT)
		return "/proc/self/pagemap is not there (CONFIG_PROC_PAGE_MONITOR)";
	if (t->pagemap < 0)
		errx(EXIT_TROUBLE, "/proc/self/pagemap: %s", strerror(-t->pagemap));
	ret = pms_probe(t->pagemap);
	if (ret == -ENOTTY)
		return "/proc/self/pagemap has no PAGEMAP_SCAN ioctl";
	if (ret)
		errx(EXIT_TROUBLE, "PAGEMAP_SCAN of an empty range: %s", strerror(-ret));

	t->uffd = pms_uffd();
	if (t->uffd == -ENOSYS)
		return "there is no userfaultfd (CONFIG_USERFAULTFD)";
	if (t->uffd == -EOPNOTSUPP)
		return "userfaultfd has no UFFD_FEATURE_WP_ASYNC";
	if (t->uffd < 0)
		errx(EXIT_TROUBLE, "userfaultfd: %s", strerror(-t->uffd));
	ret = pms_track(t->uffd, t->start, t->end);
	if (ret)
		errx(EXIT_TROUBLE, "UFFDIO_REGISTER: %s", strerror(-ret));
	arm_all(t);
	return NULL;
}

void track_end(struct tracker *t)
{
	close(t->uffd);
	close(t->pagemap);
	free(t->vec);
}

static void written_add(struct written *w, __u64 start, __u64 length)
{
	struct extent *last = w->nr ? &w->extent[w->nr - 1] : NULL;

	w->pages += length / ARENA_PAGE;

	/* One stretch may come in two pieces, if the vector ended inside. */
	if (last && last->start + last->length == start) {
		last->length += length;
		return;
	}
	if (w->nr == w->room) {
		w->room = w->room ? 2 * w->room : 64;
		w->extent = realloc(w->extent, w->room * sizeof(*w->extent));
		if (!w->extent)
			errx(EXIT_TROUBLE, "out of memory");
	}
	w->extent[w->nr++] = (struct extent) { .start = start, .length = length };
}

/*
 * Take over the @n regions that one call reported. A kernel that reports
 * nonsense is worth more than a wrong picture: say which.
 */
static void take_regions(struct tracker *t, struct written *w,
			 const struct pm_scan_arg *arg, int n)
{
	const struct page_region *r;
	const __u64 from = arg->start;
	__u64 at = from;

	if (arg->walk_end <= from || arg->walk_end > t->end)
		errx(EXIT_FAILED, "PAGEMAP_SCAN: walk_end %#llx after a scan from %#llx",
		     arg->walk_end, from);
	if ((size_t)n > t->vec_len)
		errx(EXIT_FAILED, "PAGEMAP_SCAN: %d regions in a vector of %zu", n, t->vec_len);
	if ((size_t)n < t->vec_len && arg->walk_end != t->end)
		errx(EXIT_FAILED, "PAGEMAP_SCAN: stopped at %#llx with room for more",
		     arg->walk_end);

	for (r = t->vec; r < t->vec + n; r++) {
		if (r->start < at || r->end <= r->start || r->end > arg->walk_end ||
		    (r->start | r->end) % ARENA_PAGE || r->categories != arg->return_mask)
			errx(EXIT_FAILED, "PAGEMAP_SCAN: region %#llx-%#llx, categories %#llx",
			     r->start, r->end, r->categories);
		written_add(w, r->start - t->start, r->end - r->start);
		at = r->end;
	}
}

/* The next call, and what it reports. */
static void scan_on(struct tracker *t, struct written *w, struct pms_scan *scan)
{
	const __u64 before = now_ns();
	int n = pms_get(scan);

	w->ns += now_ns() - before;
	if (n < 0)
		errx(EXIT_FAILED, "PAGEMAP_SCAN: %s", strerror(-n));
	take_regions(t, w, &scan->arg, n);
}

/*
 * Get and clear: the pages written since the last time, which are armed again.
 *
 * The vector is small on purpose. When it is full the kernel stops at a page it
 * has neither reported nor armed, and the next call goes on from there.
 */
void track_collect(struct tracker *t, struct written *w)
{
	struct pms_scan scan;

	w->nr = 0;
	w->pages = 0;
	w->ns = 0;
	pms_begin(&scan, t->pagemap, t->start, t->end, t->vec, t->vec_len);
	pms_written(&scan, true);
	while (!pms_done(&scan))
		scan_on(t, w, &scan);
	w->calls = scan.calls;
}

/* How many pages are of that category? Only looks. */
size_t track_count(struct tracker *t, __u64 category)
{
	struct written found = { };
	struct pms_scan scan;

	pms_begin(&scan, t->pagemap, t->start, t->end, t->vec, t->vec_len);
	scan.arg.category_mask = category;
	scan.arg.return_mask = category;
	while (!pms_done(&scan))
		scan_on(t, &found, &scan);
	written_free(&found);
	return found.pages;
}

/* Forget one extent: the sabotage that the checks have to notice. */
void written_drop(struct written *w, size_t nr)
{
	w->pages -= w->extent[nr].length / ARENA_PAGE;
	w->nr--;
	memmove(&w->extent[nr], &w->extent[nr + 1], (w->nr - nr) * sizeof(*w->extent));
}

void written_free(struct written *w)
{
	free(w->extent);
}
