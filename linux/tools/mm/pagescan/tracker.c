// SPDX-License-Identifier: GPL-2.0
/* Which pages has the process written; see tracker.h */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tools/pagemap_scan.h>

#include "target.h"
#include "tracker.h"
#include "util.h"

#define VEC_LEN		4096

/* Armed holes take a page table for each 2 MiB: 2 MiB of tables for this. */
#define HOLES_LIMIT	(1ULL << 30)

/* How long a process may take from having no memory to having ended. */
#define ENDING_MS	500

/* How often to try at one that forks, and how long it takes until a child is seen. */
#define FORK_TRIES	10
#define FORK_MS		1

/* Between two tries at one that executes another program just now, and how many. */
#define EXEC_MS		10
#define EXEC_TRIES	20

#define POPULATED	(PAGE_IS_PRESENT | PAGE_IS_SWAPPED)

/* What is known of the pages of a mapping. */
enum known {
	KNOWN,			/* those that were written since the last look */
	NEW,			/* nothing: its tracking begins */
	FORGOTTEN,		/* nothing any more */
};

const char *track_mode_name(enum track_mode mode)
{
	return mode == TRACK_ASYNC ? "userfaultfd" : "soft-dirty";
}

/* Is it memory that the process itself could write to? */
static bool wanted(const struct vma *vma)
{
	static const char * const kernels[] = { "[vvar", "[vdso]", "[vsyscall]" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kernels); i++)
		if (!strncmp(vma->name, kernels[i], strlen(kernels[i])))
			return false;
	if (vma->flags & VMA_WRITE)
		return true;
	/* It may become writable, be written, and be read-only again. */
	return !(vma->flags & (VMA_SHARED | VMA_FILE));
}

static int open_proc(pid_t pid, const char *name, char *why)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	because(why, "%s: %s", path, strerror(errno));
	return errno == ENOENT ? -ESRCH : -errno;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_program(struct tracker *t)
{
	close_fd(&t->uffd);
	close_fd(&t->pagemap);
	close_fd(&t->maps_fd);
	extents_free(&t->tracked);
	maps_free(&t->refused_maps);
}

/*
 * Get a userfaultfd. A child that has one, too, would keep registered what it
 * registers, as long as it lives; as long as nothing is, it does no harm.
 *
 * That the child may be there the lock of the memory says, which fork() holds
 * while it copies that; then it takes hardly any time until it is seen. If it was
 * not, it will be at the end: see untrack_all().
 */
static int take_uffd(struct tracker *t, pid_t *child, char *why)
{
	const uint64_t page = page_size();
	int ret;

	close_fd(&t->uffd);
	t->uffd = target_uffd(t->pid, t->pidfd, &t->number, why);
	/* It can be looked at, or we were not here. */
	if (t->uffd < 0)
		return t->uffd == -EACCES ? -EPERM : t->uffd;
	ret = pms_setup(t->uffd);
	if (ret) {
		because(why, "UFFDIO_API: %s", strerror(-ret));
		return ret;
	}
	/* It fails, as there is no memory so low; but it takes the lock. */
	pms_track(t->uffd, page, 2 * page);
	target_ended(t->pidfd, FORK_MS);
	*child = target_child_with(t->pid, t->number);
	return 0;
}

static int setup_uffd(struct tracker *t, char *why)
{
	int ret, tries = FORK_TRIES;
	pid_t child;

	if (!t->has_scan) {
		because(why, "the kernel has no PAGEMAP_SCAN");
		return -EOPNOTSUPP;
	}
	/* Does the kernel have it at all? If not, leave the process alone. */
	ret = pms_uffd();
	if (ret >= 0)
		close(ret);
	if (ret == -EOPNOTSUPP || ret == -ENOSYS) {
		because(why, "the kernel has no %s", ret == -ENOSYS ?
			"userfaultfd" : "userfaultfd with UFFD_FEATURE_WP_ASYNC");
		return -EOPNOTSUPP;
	}
	do {
		ret = take_uffd(t, &child, why);
	} while (!ret && child && --tries);
	if (!ret && child) {
		because(why, "it forks all the time, and process %d has the userfaultfd, too",
			(int)child);
		ret = -EAGAIN;
	}
	return ret;
}

static int open_files(struct tracker *t, char *why)
{
	int ret;

	t->maps_fd = open_proc(t->pid, "maps", why);
	if (t->maps_fd < 0)
		return t->maps_fd;
	t->pagemap = open_proc(t->pid, "pagemap", why);
	if (t->pagemap < 0)
		return t->pagemap;
	ret = pms_probe(t->pagemap);
	t->has_scan = !ret;
	if (!ret || ret == -ENOTTY)
		return 0;
	because(why, "PAGEMAP_SCAN: %s", strerror(-ret));
	return ret;
}

/* Open the files of the program that the process runs now. */
static int try_program(struct tracker *t, char *why)
{
	int ret;

	ret = open_files(t, why);
	if (!ret)
		ret = t->mode == TRACK_ASYNC ? setup_uffd(t, why) : softdirty_begin(t, why);
	if (ret)
		close_program(t);
	return ret;
}

/* The same, also while it executes another one: then there is none for a moment. */
static int open_program(struct tracker *t, char *why)
{
	int ret, tries = EXEC_TRIES;

	do {
		ret = try_program(t, why);
	} while (ret == -ESRCH && --tries && !target_ended(t->pidfd, EXEC_MS));
	t->opened = !ret;
	return ret;
}

int tracker_begin(struct tracker *t, pid_t pid, enum track_mode mode, char *why)
{
	int ret;

	*t = (struct tracker) {
		.pid = pid,
		.mode = mode,
		.pidfd = -1,
		.uffd = -1,
		.pagemap = -1,
		.maps_fd = -1,
	};
	ret = target_open(pid, why);
	if (ret < 0)
		return ret;
	t->pidfd = ret;
	t->vec = xcalloc(VEC_LEN, sizeof(*t->vec));
	ret = open_program(t, why);
	if (ret)
		tracker_end(t);
	return ret;
}

int tracker_begin_any(struct tracker *t, pid_t pid, bool soft_dirty, char *why)
{
	char second[WHY_LEN] = "";
	int ret, first = -EOPNOTSUPP;

	if (!soft_dirty) {
		ret = tracker_begin(t, pid, TRACK_ASYNC, why);
		if (!ret || ret == -ESRCH || ret == -EINVAL || ret == -EACCES || ret == -EINTR)
			return ret;
		complain("cannot track by userfaultfd: %s", why);
		first = ret;
	}
	ret = tracker_begin(t, pid, TRACK_SOFT_DIRTY, second);
	if (ret) {
		because(why, "cannot track by soft-dirty: %.200s", second);
		return ret == -EOPNOTSUPP ? first : ret;
	}
	complain("tracking by soft-dirty bits. This means: a write between the reading and the");
	complain("clearing of the bits is missed; pages that are new or were moved count as");
	complain("written; who else uses these bits of the process (CRIU, say) is disturbed");
	return 0;
}

/* How the pages of a mapping are asked for; see tracker.h */
static void set_filter(struct pms_scan *scan, const struct vma *vma, enum known known)
{
	struct pm_scan_arg *arg = &scan->arg;
	const bool shared = vma->flags & VMA_SHARED;

	pms_written(scan, true);
	if (known != KNOWN) {
		/* The VMAs may have changed: take what is tracked. */
		arg->flags = PM_SCAN_WP_MATCHING;
		arg->category_mask |= PAGE_IS_WPALLOWED;
	}
	if (known == FORGOTTEN)
		arg->category_mask &= ~(uint64_t)PAGE_IS_WRITTEN;
	arg->return_mask = POPULATED;
	if (shared && vma->end - vma->start <= HOLES_LIMIT)
		return;
	arg->category_anyof_mask = POPULATED;
	if (shared)
		return;
	arg->category_inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE;
	arg->category_mask |= PAGE_IS_PFNZERO | PAGE_IS_FILE;
}

static int scan_vma(struct tracker *t, const struct vma *vma, enum known known,
		    struct look *look)
{
	const uint64_t page = page_size();
	struct page_region region;
	struct pms_scan scan;
	int ret;

	pms_begin(&scan, t->pagemap, vma->start, vma->end, t->vec, VEC_LEN);
	set_filter(&scan, vma, known);
	while ((ret = pms_next(&scan, &region)) > 0) {
		if (known != KNOWN && !(region.categories & POPULATED))
			continue;
		extents_add(&look->written, region.start / page, region.end / page);
	}
	look->calls += scan.calls;
	return ret;
}

/*
 * The run of mappings around one that are to be tracked, as addresses: with the
 * gaps between them, and up to the next mapping that is not, on both sides.
 *
 * To register less than what the process takes for one mapping would split it,
 * and its mremap() would fail. What /proc/PID/maps said can be old by now, so a
 * mapping is never registered by its own bounds if that can be helped.
 */
static void run_around(const struct tracker *t, size_t at, size_t *first, size_t *last,
		       uint64_t *start, uint64_t *end)
{
	const struct vma *v = t->maps.v;

	for (*first = at; *first && t->state[*first - 1] < VMA_LEFT_OUT; )
		--*first;
	for (*last = at; *last + 1 < t->maps.nr && t->state[*last + 1] < VMA_LEFT_OUT; )
		++*last;
	*start = *first ? v[*first - 1].end : v[*first].start;
	*end = v[*last].end;
	/* What is above the last one may be beyond all addresses. */
	if (*last + 1 < t->maps.nr && v[*last + 1].start < 1ULL << 47)
		*end = v[*last + 1].start;
}

/*
 * Register all of the run around a mapping. If one of it cannot be, they are
 * registered one by one, and that one bounds runs from then on.
 */
static void register_run(struct tracker *t, size_t at)
{
	uint64_t start, end;
	size_t first, last, i;
	int ret;

	run_around(t, at, &first, &last, &start, &end);
	t->run_end = end;
	ret = pms_track(t->uffd, start, end);
	for (i = first; ret && i <= last; i++) {
		int error = pms_track(t->uffd, t->maps.v[i].start, t->maps.v[i].end);

		if (!error)
			continue;
		/* Want of memory, or an exec, passes. */
		t->state[i] = error == -EBUSY || error == -EINVAL || error == -EPERM ?
			      VMA_REFUSED : VMA_FAILED;
		t->refusal = -error;
	}
}

static int look_at_new(struct tracker *t, size_t at, enum known known, struct look *look)
{
	struct vma *vma = &t->maps.v[at];

	if (t->state[at] >= VMA_LEFT_OUT)
		return 0;
	vma->flags |= VMA_TRACKED;
	return scan_vma(t, vma, known, look);
}

/* Look at one mapping, and begin to track it if it is not yet. 0 or -errno. */
static int look_at(struct tracker *t, size_t at, struct look *look)
{
	const uint64_t page = page_size();
	struct vma *vma = &t->maps.v[at];
	struct look again = { };
	int ret;

	if (!extents_within(&t->tracked, vma->start / page, vma->end / page)) {
		if (vma->start >= t->run_end)
			register_run(t, at);
		return look_at_new(t, at, NEW, look);
	}
	ret = scan_vma(t, vma, KNOWN, look);
	if (!ret)
		vma->flags |= VMA_TRACKED;
	if (ret != -EPERM)
		return ret;
	/*
	 * Another mapping came to the same place, perhaps during the scan. Mainline's
	 * has cleared what is before it by then, and told us of none of that: all
	 * that is there counts.
	 */
	register_run(t, at);
	ret = look_at_new(t, at, FORGOTTEN, &again);
	extents_union(&look->written, &again.written);
	look->calls += again.calls;
	look_free(&again);
	return ret;
}

/* What is to be tracked, and what was refused before and is still the same? */
static void classify(struct tracker *t)
{
	const struct vma *vma, *old;
	size_t i;

	t->state = xrealloc(t->state, t->maps.nr, sizeof(*t->state));
	for (i = 0; i < t->maps.nr; i++) {
		vma = &t->maps.v[i];
		old = maps_find(&t->refused_maps, vma->start);
		t->state[i] = VMA_OURS;
		if (!wanted(vma))
			t->state[i] = VMA_LEFT_OUT;
		else if (old && old->start == vma->start && old->end == vma->end &&
			 !strcmp(old->name, vma->name))
			t->state[i] = VMA_REFUSED;
	}
}

static void keep_refused(struct tracker *t)
{
	size_t i;

	maps_free(&t->refused_maps);
	t->refused = 0;
	for (i = 0; i < t->maps.nr; i++) {
		const struct vma *vma = &t->maps.v[i];

		t->refused += t->state[i] > VMA_LEFT_OUT;
		if (t->state[i] == VMA_REFUSED)
			maps_add(&t->refused_maps, vma->start, vma->end, vma->flags, vma->name,
				 strlen(vma->name));
	}
}

static int async_look(struct tracker *t, struct look *look, char *why)
{
	const uint64_t page = page_size();
	struct extents tracked = { };
	struct vma *vma;
	int ret = 0;
	size_t i;

	classify(t);
	t->run_end = 0;
	for (i = 0; i < t->maps.nr && !ret; i++) {
		vma = &t->maps.v[i];
		if (t->state[i] >= VMA_LEFT_OUT)
			continue;
		ret = look_at(t, i, look);
		if (vma->flags & VMA_TRACKED)
			extents_add(&tracked, vma->start / page, vma->end / page);
	}
	keep_refused(t);
	extents_free(&t->tracked);
	t->tracked = tracked;
	/* It executes another program meanwhile: the next look follows. */
	if (ret == -ESRCH)
		return 0;
	if (ret == -EPERM)
		because(why, "the right to trace process %d was lost", (int)t->pid);
	else if (ret)
		because(why, "PAGEMAP_SCAN: %s", strerror(-ret));
	return ret;
}

static uint64_t rss_pages(pid_t pid)
{
	long long rss = target_status(pid, "VmRSS", 10);
	long long swap = target_status(pid, "VmSwap", 10);

	return ((rss > 0 ? rss : 0) + (swap > 0 ? swap : 0)) * 1024 / page_size();
}

/* Will it be possible later? */
static bool passes(int error)
{
	return error == -ESRCH || error == -EAGAIN || error == -EBUSY;
}

/*
 * It executes another program, or is about to end. If the new one cannot be
 * tracked just now, as a debugger has it, say, the next look tries again.
 */
static int follow_exec(struct tracker *t, struct look *look, char *why)
{
	int ret;

	close_program(t);
	maps_free(&t->maps);
	ret = open_program(t, why);
	if (ret && target_ended(t->pidfd, passes(ret) ? 0 : ENDING_MS))
		return -ESRCH;
	if (passes(ret)) {
		if (!t->blind)
			complain("for now it cannot be tracked: %s", why);
		t->blind = true;
		look->blind = true;
		*why = '\0';
		return 0;
	}
	if (ret)
		return ret;
	t->blind = false;
	ret = maps_read(&t->maps, t->maps_fd);
	if (!ret && !t->maps.nr && target_ended(t->pidfd, ENDING_MS))
		ret = -ESRCH;
	return ret;
}

/* Read the mappings; follow the process into the program that it runs now. */
static int follow(struct tracker *t, struct look *look, char *why)
{
	if (t->maps_fd >= 0 && !maps_read(&t->maps, t->maps_fd) && t->maps.nr)
		return 0;
	if (target_ended(t->pidfd, 0))
		return -ESRCH;
	return follow_exec(t, look, why);
}

int tracker_look(struct tracker *t, struct look *look, char *why)
{
	const uint64_t start = now_ns();
	int ret;

	extents_clear(&look->written);
	look->calls = 0;
	look->blind = false;
	ret = follow(t, look, why);
	look->fresh = t->opened;
	if (!ret && !look->blind) {
		t->opened = false;
		ret = t->mode == TRACK_ASYNC ? async_look(t, look, why) :
			softdirty_look(t, look, why);
	}
	if (ret && target_ended(t->pidfd, 0))
		ret = -ESRCH;
	if (look->fresh)
		extents_clear(&look->written);
	look->rss_pages = ret ? 0 : rss_pages(t->pid);
	look->when = now_ns();
	look->cost_ns = look->when - start;
	return ret;
}

/* As register_run() did it. */
static void untrack_all(struct tracker *t)
{
	uint64_t start, end;
	size_t i, first, last;

	if (maps_read(&t->maps, t->maps_fd))
		return;
	classify(t);
	for (i = 0; i < t->maps.nr; i = last + 1) {
		last = i;
		if (t->state[i] >= VMA_LEFT_OUT)
			continue;
		run_around(t, i, &first, &last, &start, &end);
		if (!pms_untrack(t->uffd, start, end))
			continue;
		for (; first <= last; first++)
			pms_untrack(t->uffd, t->maps.v[first].start, t->maps.v[first].end);
	}
}

void tracker_end(struct tracker *t)
{
	/*
	 * To close the userfaultfd undoes all of it at once. To unregister range
	 * after range could split mappings, as to register could; so it is done
	 * only if somebody else has it, too.
	 */
	if (t->uffd >= 0 && t->maps_fd >= 0 && target_child_with(t->pid, t->number))
		untrack_all(t);
	close_program(t);
	close_fd(&t->pidfd);
	maps_free(&t->maps);
	free(t->state);
	free(t->vec);
	t->state = NULL;
	t->vec = NULL;
}

void look_free(struct look *look)
{
	extents_free(&look->written);
}
