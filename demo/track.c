// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "arena.h"
#include "demo.h"
#include "track.h"

#define WANTED	(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED)

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Is the ioctl there? An empty range asks nothing else. */
static bool can_scan(int pagemap)
{
	struct pm_scan_arg arg = { .size = sizeof(arg) };

	return !ioctl(pagemap, PAGEMAP_SCAN, &arg);
}

/*
 * Register the range and arm all of it, empty pages included.
 *
 * Return NULL, or what this kernel is missing. Trouble of another kind ends the
 * program.
 */
const char *track_begin(struct tracker *t, void *start, size_t size, size_t vec_len)
{
	struct uffdio_api api = { .api = UFFD_API, .features = WANTED };
	struct uffdio_writeprotect protect = {
		.range = { .start = (unsigned long)start, .len = size },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct uffdio_register reg = {
		.range = protect.range,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	*t = (struct tracker) {
		.start = protect.range.start,
		.end = protect.range.start + size,
		.vec = calloc(vec_len, sizeof(*t->vec)),
		.vec_len = vec_len,
	};
	if (!t->vec)
		errx(EXIT_TROUBLE, "out of memory");

	t->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (t->pagemap < 0 && errno == ENOENT)
		return "/proc/self/pagemap is not there (CONFIG_PROC_PAGE_MONITOR)";
	if (t->pagemap < 0)
		err(EXIT_TROUBLE, "/proc/self/pagemap");
	if (!can_scan(t->pagemap)) {
		if (errno == ENOTTY)
			return "/proc/self/pagemap has no PAGEMAP_SCAN ioctl";
		err(EXIT_TROUBLE, "PAGEMAP_SCAN of an empty range");
	}

	/* No privilege is needed: nobody will ever wait for a fault. */
	t->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (t->uffd < 0 && errno == ENOSYS)
		return "there is no userfaultfd (CONFIG_USERFAULTFD)";
	if (t->uffd < 0)
		err(EXIT_TROUBLE, "userfaultfd");
	if (ioctl(t->uffd, UFFDIO_API, &api)) {
		if (errno == EINVAL)
			return "userfaultfd has no UFFD_FEATURE_WP_ASYNC";
		err(EXIT_TROUBLE, "UFFDIO_API");
	}
	if ((api.features & WANTED) != WANTED)
		return "userfaultfd did not grant UFFD_FEATURE_WP_ASYNC";

	if (ioctl(t->uffd, UFFDIO_REGISTER, &reg))
		err(EXIT_TROUBLE, "UFFDIO_REGISTER");
	if (ioctl(t->uffd, UFFDIO_WRITEPROTECT, &protect))
		err(EXIT_TROUBLE, "UFFDIO_WRITEPROTECT");
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
	__u64 from = arg->start;
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

static int scan(struct tracker *t, struct pm_scan_arg *arg)
{
	int n = ioctl(t->pagemap, PAGEMAP_SCAN, arg);

	if (n < 0)
		err(EXIT_FAILED, "PAGEMAP_SCAN");
	return n;
}

/*
 * Get and clear: the pages written since the last time, which are armed again.
 *
 * The vector is small on purpose. When it is full the kernel stops at a page it
 * has neither reported nor armed, and the next call goes on from there.
 */
void track_collect(struct tracker *t, struct written *w)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.start = t->start,
		.end = t->end,
		.vec = (unsigned long)t->vec,
		.vec_len = t->vec_len,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	__u64 before;
	int n;

	w->nr = 0;
	w->pages = 0;
	w->calls = 0;
	w->ns = 0;
	for (; arg.start < t->end; arg.start = arg.walk_end) {
		before = now_ns();
		n = scan(t, &arg);
		w->ns += now_ns() - before;
		w->calls++;
		take_regions(t, w, &arg, n);
	}
}

/* How many pages are of that category? Only looks. */
size_t track_count(struct tracker *t, __u64 category)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = t->start,
		.end = t->end,
		.vec = (unsigned long)t->vec,
		.vec_len = t->vec_len,
		.category_mask = category,
		.return_mask = category,
	};
	struct written found = { };

	for (; arg.start < t->end; arg.start = arg.walk_end)
		take_regions(t, &found, &arg, scan(t, &arg));
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
