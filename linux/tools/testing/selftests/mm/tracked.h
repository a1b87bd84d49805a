/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Assertions that more than one test program needs.  Include it once, in the
 * file of the tests: the harness defines functions.
 */
#ifndef _SELFTESTS_MM_TRACKED_H
#define _SELFTESTS_MM_TRACKED_H

#include "../kselftest_harness.h"
#include "memory_kind.h"
#include "pagemap_util.h"

/* What the harness takes for a skip; it has no name for it. */
#define HARNESS_SKIP	255

/* Skips the test, and tears down what was set up, unless the reason is NULL. */
#define SKIP_IF(reason)							\
do {									\
	const char *_reason = (reason);					\
									\
	if (_reason)							\
		SKIP(return, "%s: %s", _metadata->name, _reason);	\
} while (0)

/*
 * The same in a FIXTURE_SETUP.  It leaves at once, with nothing torn down: this
 * harness would go on to run a test whose setup was skipped.
 */
#define SKIP_SETUP_IF(reason)						\
do {									\
	const char *_reason = (reason);					\
									\
	if (_reason)							\
		SKIP(_exit(HARNESS_SKIP), "%s: %s", _metadata->name,	\
		     _reason);						\
} while (0)

/*
 * For what this series does otherwise than mainline, on purpose.  On a kernel
 * with mainline's implementation, checks that it does what we say it does, and
 * ends the test as a skip.
 */
#define MAINLINE_DIFFERS(what, expected, seen)				\
do {									\
	if (mainline_kernel()) {					\
		const char *_what = (what);				\
									\
		ASSERT_EQ(expected, seen)				\
			TH_LOG("mainline no longer: %s", _what);	\
		SKIP(return, "%s: mainline: %s", _metadata->name, _what); \
	}								\
} while (0)

#define MAINLINE_DIFFERS_STR(what, expected, seen)			\
do {									\
	if (mainline_kernel()) {					\
		const char *_what = (what);				\
									\
		ASSERT_STREQ(expected, seen)				\
			TH_LOG("mainline no longer: %s", _what);	\
		SKIP(return, "%s: mainline: %s", _metadata->name, _what); \
	}								\
} while (0)

/* Where it is not safe to try what mainline does. */
#define MAINLINE_SKIPS(what)						\
do {									\
	if (mainline_kernel())						\
		SKIP(return, "%s: mainline: %s", _metadata->name, what); \
} while (0)

/* Why mainline cannot run tests on the memory that expect one page, or NULL. */
static inline const char *mainline_lacks(const struct memory_kind *kind,
					 enum memory_state state)
{
	if (!mainline_kernel())
		return NULL;
	if (kind->hugetlb && state == MEMORY_HOLE)
		return "mainline: a hole in hugetlb is not WRITTEN";
	if (kind->thp && kind->backing)
		return "mainline: a write is to all of a huge page of shmem";
	return NULL;
}

/* The same set, by the scan and by the bit in /proc/PID/pagemap. */
#define ASSERT_WRITTEN(expected, tracked)				\
do {									\
	const struct range *_range = (tracked);				\
	const char *_set = (expected);					\
									\
	ASSERT_STREQ(_set, pages_written(_range));			\
	ASSERT_STREQ(pages_not(_range, _set), pages_armed(_range));	\
} while (0)

/*
 * Memory of a kind in a state, tracked, with nothing written since.  Leaves the
 * test as skipped where the machine cannot make the memory.
 */
static inline int track(struct __test_metadata *_metadata,
			struct memory *mem, const struct memory_kind *kind,
			enum memory_state state, int flags, __u64 features)
{
	int uffd;

	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(memory_make(mem, kind, state));
	uffd = uffd_track(&mem->range, flags, features);
	ASSERT_LE(0, uffd);
	ASSERT_STREQ(pages_all(&mem->range), pages_take(&mem->range));
	ASSERT_WRITTEN("", &mem->range);
	return uffd;
}

#endif
