/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PAGEMAP_SCAN and UFFD_FEATURE_WP_ASYNC for programs: the numbers, whatever
 * kernel headers there are, and the few calls that nearly everybody needs:
 *
 *	pms_open()	/proc/PID/pagemap
 *	pms_probe()	is the ioctl there?
 *	pms_uffd()	a userfaultfd whose faults the kernel resolves by itself
 *	pms_setup()	the same, to a userfaultfd that one has
 *	pms_track()	note writes to this memory
 *	pms_untrack()	no longer
 *	pms_begin()	begin a scan of a range; then set its masks, or
 *	pms_written()	have it report, or get and clear, what was written
 *	pms_get()	one ioctl: what it finds, as far as the vec goes; or
 *	pms_next()	one region after the other, with as many ioctls as it takes
 *
 * A scan that has PM_SCAN_WP_MATCHING gets and clears. It resumes where it
 * stopped, so that each page is reported once:
 *
 *	struct page_region vec[64];
 *	struct pms_scan scan;
 *	int ret;
 *
 *	pms_begin(&scan, pagemap, start, end, vec, 64);
 *	pms_written(&scan, true);
 *	while ((ret = pms_next(&scan, &region)) > 0)
 *		save(region.start, region.end);
 *
 * All return -errno where they fail. Nothing is allocated, nothing printed.
 */
#ifndef _TOOLS_PAGEMAP_SCAN_H
#define _TOOLS_PAGEMAP_SCAN_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* Headers older than the interface. */
#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN		_IOWR('f', 16, struct pm_scan_arg)

#define PAGE_IS_WPALLOWED	(1 << 0)
#define PAGE_IS_WRITTEN		(1 << 1)
#define PAGE_IS_FILE		(1 << 2)
#define PAGE_IS_PRESENT		(1 << 3)
#define PAGE_IS_SWAPPED		(1 << 4)
#define PAGE_IS_PFNZERO		(1 << 5)
#define PAGE_IS_HUGE		(1 << 6)

#define PM_SCAN_WP_MATCHING	(1 << 0)
#define PM_SCAN_CHECK_WPASYNC	(1 << 1)

struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};
#endif

/* The first headers that have the rest do not have this. */
#ifndef PAGE_IS_SOFT_DIRTY
#define PAGE_IS_SOFT_DIRTY	(1 << 7)
#endif

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	(1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC	(1 << 15)
#endif

/**
 * struct pms_scan - a scan of a range, in as many ioctls as it takes
 * @arg: what the ioctl is given; set masks, flags and max_pages as you like
 *	between pms_begin() and the first call. A max_pages is that of each ioctl
 * @end: where the range ends
 * @pagemap: the file
 * @nr: regions that the last ioctl left in the vec
 * @next: the first of them that was not given out
 * @calls: ioctls made
 */
struct pms_scan {
	struct pm_scan_arg arg;
	__u64 end;
	int pagemap;
	int nr;
	int next;
	unsigned int calls;
};

/**
 * pms_open - open the pagemap of a process
 * @pid: the process; 0 for oneself
 *
 * It belongs to the program that runs now: after an exec it says -ESRCH, or
 * finds nothing.
 *
 * Return: a file descriptor, or -errno.
 */
static inline int pms_open(pid_t pid)
{
	char path[40] = "/proc/self/pagemap";
	int fd;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/**
 * pms_probe - is PAGEMAP_SCAN there?
 * @pagemap: an open /proc/PID/pagemap
 *
 * Return: 0; -ENOTTY if this kernel has no such ioctl; another -errno.
 */
static inline int pms_probe(int pagemap)
{
	struct pm_scan_arg arg = { .size = sizeof(arg) };

	return ioctl(pagemap, PAGEMAP_SCAN, &arg) < 0 ? -errno : 0;
}

/**
 * pms_setup - have a new userfaultfd track writes asynchronously
 * @uffd: the descriptor, fresh from userfaultfd()
 *
 * Return: 0; -EOPNOTSUPP if the kernel cannot; another -errno.
 */
static inline int pms_setup(int uffd)
{
	const __u64 wanted = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
	struct uffdio_api api = { .api = UFFD_API, .features = wanted };

	if (ioctl(uffd, UFFDIO_API, &api))
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	return (api.features & wanted) == wanted ? 0 : -EOPNOTSUPP;
}

/**
 * pms_uffd - make a userfaultfd to track one's own writes
 *
 * It needs no privilege: nobody ever waits for a fault, so that faults of the
 * kernel are resolved like any other.
 *
 * Return: a file descriptor; -ENOSYS if there is no userfaultfd; -EOPNOTSUPP if
 * it cannot track asynchronously; another -errno.
 */
static inline int pms_uffd(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int ret;

	if (uffd < 0)
		return -errno;
	ret = pms_setup(uffd);
	if (!ret)
		return uffd;
	close(uffd);
	return ret;
}

/**
 * pms_track - from now on, tell written pages of a range
 * @uffd: from pms_uffd()
 * @start: first address
 * @end: address behind the last
 *
 * At first all pages count as written; a scan with PM_SCAN_WP_MATCHING clears
 * that.
 *
 * Return: 0; -EBUSY if another userfaultfd has some of it; -EINVAL if some of it
 * cannot be tracked; another -errno.
 */
static inline int pms_track(int uffd, __u64 start, __u64 end)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

/**
 * pms_untrack - no longer tell written pages of a range
 * @uffd: from pms_uffd(); closing it does the same to all that it tracks
 * @start: first address
 * @end: address behind the last
 *
 * Return: 0 or -errno.
 */
static inline int pms_untrack(int uffd, __u64 start, __u64 end)
{
	struct uffdio_range range = { .start = start, .len = end - start };

	return ioctl(uffd, UFFDIO_UNREGISTER, &range) ? -errno : 0;
}

/**
 * pms_begin - begin a scan
 * @scan: the scan
 * @pagemap: an open /proc/PID/pagemap
 * @start: first address
 * @end: address behind the last, page-aligned
 * @vec: room for regions
 * @vec_len: for how many
 *
 * All masks and flags are 0: it would match every page and tell nothing of them.
 */
static inline void pms_begin(struct pms_scan *scan, int pagemap, __u64 start,
			     __u64 end, struct page_region *vec, size_t vec_len)
{
	*scan = (struct pms_scan) {
		.arg.size = sizeof(scan->arg),
		.arg.start = start,
		.arg.end = end,
		.arg.walk_end = start,
		.arg.vec = (uintptr_t)vec,
		.arg.vec_len = vec_len,
		.end = end,
		.pagemap = pagemap,
	};
}

/**
 * pms_written - let a scan report the pages that were written
 * @scan: the scan, not begun yet
 * @clear: also note them as not written, in the same step, and fail with -EPERM
 *	where writes are not tracked
 */
static inline void pms_written(struct pms_scan *scan, bool clear)
{
	scan->arg.category_mask = PAGE_IS_WRITTEN;
	scan->arg.return_mask = PAGE_IS_WRITTEN;
	if (clear)
		scan->arg.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC;
}

/**
 * pms_get - one ioctl: fill the vec from where the scan stopped
 * @scan: the scan
 *
 * Return: the number of regions in the vec; 0 does not mean that it is at the
 * end, pms_done() tells. Or -errno: -EPERM with PM_SCAN_CHECK_WPASYNC where
 * writes are not tracked, -ESRCH if the process is gone.
 */
static inline int pms_get(struct pms_scan *scan)
{
	struct pm_scan_arg *arg = &scan->arg;
	int ret;

	arg->start = arg->walk_end;
	ret = ioctl(scan->pagemap, PAGEMAP_SCAN, arg);
	scan->calls++;
	scan->next = 0;
	scan->nr = ret < 0 ? 0 : ret;
	if (ret < 0) {
		ret = -errno;
		/* What an error leaves there is not the same on all kernels. */
		arg->walk_end = arg->start;
		return ret;
	}
	/* A kernel that goes nowhere must not have us wait for ever. */
	if (arg->walk_end <= arg->start && arg->start < scan->end)
		return -EIO;
	return ret;
}

/**
 * pms_done - is the scan at the end of its range?
 * @scan: the scan
 *
 * Return: true if so.
 */
static inline bool pms_done(const struct pms_scan *scan)
{
	return scan->arg.walk_end >= scan->end;
}

/**
 * pms_next - the next region of a scan
 * @scan: the scan
 * @region: where it goes. One stretch of pages can come in two regions, where
 *	the vec was full
 *
 * Return: 1; 0 at the end; or -errno, see pms_get().
 */
static inline int pms_next(struct pms_scan *scan, struct page_region *region)
{
	const struct page_region *vec = (const struct page_region *)(uintptr_t)scan->arg.vec;
	int ret;

	while (scan->next == scan->nr) {
		if (pms_done(scan))
			return 0;
		ret = pms_get(scan);
		if (ret < 0)
			return ret;
	}
	*region = vec[scan->next++];
	return 1;
}

#endif /* _TOOLS_PAGEMAP_SCAN_H */
