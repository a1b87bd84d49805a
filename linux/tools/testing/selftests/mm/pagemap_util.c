// SPDX-License-Identifier: GPL-2.0
/*
 * Calls and page sets for the tests of PAGEMAP_SCAN and of write tracking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "pagemap_util.h"

/* Small, so that every set over more than a few regions resumes. */
#define VEC_LEN		16

#define SET_LEN		4096
#define RING_LEN	8

static char *next_string(void)
{
	static char ring[RING_LEN][SET_LEN];
	static unsigned int next;

	return ring[next++ % RING_LEN];
}

static const char *say(const char *fmt, ...)
{
	char *text = next_string();
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, SET_LEN, fmt, args);
	va_end(args);
	return text;
}

static const char *set_to_string(const bool *set, size_t nr)
{
	char *text = next_string();
	size_t first, i, len = 0;

	text[0] = '\0';
	for (i = 0; i < nr; i++) {
		if (!set[i])
			continue;
		first = i;
		while (i + 1 < nr && set[i + 1])
			i++;
		if (len > SET_LEN - 64) {
			snprintf(text + len, SET_LEN - len, ",...");
			break;
		}
		len += snprintf(text + len, SET_LEN - len, "%s%zu",
				len ? "," : "", first);
		if (i != first)
			len += snprintf(text + len, SET_LEN - len, "-%zu", i);
	}
	return text;
}

size_t base_page(void)
{
	return sysconf(_SC_PAGESIZE);
}

size_t pmd_size(void)
{
	unsigned long size = 0;
	FILE *file;

	file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "r");
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &size) != 1)
		size = 0;
	fclose(file);
	return size;
}

int pagemap_open(pid_t pid)
{
	char path[64];
	int fd;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	else
		snprintf(path, sizeof(path), "/proc/self/pagemap");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int pagemap_scan(int pagemap, struct pm_scan_arg *arg)
{
	int ret = ioctl(pagemap, PAGEMAP_SCAN, arg);

	return ret < 0 ? -errno : ret;
}

static int uffd_api(int flags, struct uffdio_api *api)
{
	int uffd, err;

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC | flags);
	if (uffd < 0)
		return -errno;
	if (ioctl(uffd, UFFDIO_API, api)) {
		err = -errno;
		close(uffd);
		return err;
	}
	return uffd;
}

int uffd_open(int flags, __u64 features)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = features,
	};

	return uffd_api(flags, &api);
}

int uffd_register(int uffd, const struct range *range, __u64 mode)
{
	struct uffdio_register arg = {
		.range.start = addr_of(range, 0),
		.range.len = (__u64)range->nr * range->unit,
		.mode = mode,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &arg) ? -errno : 0;
}

int uffd_unregister(int uffd, const struct range *range)
{
	struct uffdio_range arg = {
		.start = addr_of(range, 0),
		.len = (__u64)range->nr * range->unit,
	};

	return ioctl(uffd, UFFDIO_UNREGISTER, &arg) ? -errno : 0;
}

int uffd_writeprotect(int uffd, const struct range *range, bool protect)
{
	struct uffdio_writeprotect arg = {
		.range.start = addr_of(range, 0),
		.range.len = (__u64)range->nr * range->unit,
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &arg) ? -errno : 0;
}

int uffd_track(const struct range *range, int flags, __u64 features)
{
	int uffd, err;

	uffd = uffd_open(flags, UFFD_FEATURE_WP_ASYNC |
			 UFFD_FEATURE_WP_UNPOPULATED | features);
	if (uffd < 0)
		return uffd;
	err = uffd_register(uffd, range, UFFDIO_REGISTER_MODE_WP);
	if (err) {
		close(uffd);
		return err;
	}
	return uffd;
}

const char *missing_scan(void)
{
	struct pm_scan_arg arg = { .size = sizeof(arg) };
	int pagemap, ret;

	pagemap = pagemap_open(0);
	if (pagemap < 0)
		return "no /proc/self/pagemap";
	ret = pagemap_scan(pagemap, &arg);
	close(pagemap);
	return ret == -ENOTTY ? "no PAGEMAP_SCAN" : NULL;
}

const char *missing_wp_async(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd;

	uffd = uffd_api(0, &api);
	if (uffd < 0)
		return say("no userfaultfd: %s", strerror(-uffd));
	close(uffd);
	if (!(api.features & UFFD_FEATURE_WP_ASYNC))
		return "no UFFD_FEATURE_WP_ASYNC";
	return missing_scan();
}

bool mainline_kernel(void)
{
	/* Mainline takes no struct but its own; this series, any longer one. */
	struct {
		struct pm_scan_arg arg;
		__u64 tail;
	} longer = { .arg.size = sizeof(longer) };
	unsigned int major, minor;
	struct utsname name;
	int pagemap, ret;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	if (major < 6 || (major == 6 && minor < 7))
		return false;
	pagemap = pagemap_open(0);
	if (pagemap < 0)
		return false;
	ret = pagemap_scan(pagemap, &longer.arg);
	close(pagemap);
	return ret == -EINVAL;
}

/* Adds one reported region to the set; returns what is wrong with it, or NULL. */
static const char *add_region(const struct range *range, bool *set,
			      const struct page_region *region, __u64 pos)
{
	__u64 end = addr_of(range, range->nr), start = addr_of(range, 0);
	size_t i;

	if (region->start < pos || region->end <= region->start ||
	    region->end > end)
		return say("bad region %llx-%llx after %llx",
			   (unsigned long long)region->start,
			   (unsigned long long)region->end,
			   (unsigned long long)pos);
	if ((region->start - start) % range->unit ||
	    (region->end - start) % range->unit)
		return say("part of a unit: bytes %llu-%llu",
			   (unsigned long long)(region->start - start),
			   (unsigned long long)(region->end - start));
	for (i = (region->start - start) / range->unit;
	     i < (region->end - start) / range->unit; i++)
		set[i] = true;
	return NULL;
}

/* One call's regions into the set; they must be in order, apart and dense. */
static const char *add_regions(const struct range *range, bool *set,
			       const struct page_region *vec, int nr,
			       const struct pm_scan_arg *arg)
{
	__u64 pos = arg->start;
	const char *wrong;
	int i;

	for (i = 0; i < nr; i++) {
		wrong = add_region(range, set, &vec[i], pos);
		if (wrong)
			return wrong;
		if (i && vec[i].start == pos &&
		    vec[i].categories == vec[i - 1].categories)
			return say("regions %d and %d not merged", i - 1, i);
		if (vec[i].categories & ~arg->return_mask)
			return say("categories %llx not asked for",
				   (unsigned long long)vec[i].categories);
		pos = vec[i].end;
	}
	if (arg->walk_end < pos || arg->walk_end > arg->end)
		return say("walk_end %llx outside of %llx-%llx",
			   (unsigned long long)arg->walk_end,
			   (unsigned long long)pos,
			   (unsigned long long)arg->end);
	if (arg->walk_end == arg->start)
		return say("stuck at %llx", (unsigned long long)arg->start);
	return NULL;
}

const char *pages_matching(const struct range *range,
			   const struct pm_scan_arg *query)
{
	struct page_region vec[VEC_LEN];
	struct pm_scan_arg arg = *query;
	const char *result = NULL;
	bool *set;
	int nr;

	set = calloc(range->nr, sizeof(*set));
	if (!set)
		return "out of memory";
	arg.vec = to_u64(vec);
	arg.vec_len = VEC_LEN;
	while (!result && arg.start < arg.end) {
		arg.walk_end = 0;
		nr = pagemap_scan(range->pagemap, &arg);
		if (nr < 0 || nr > VEC_LEN)
			result = say("error: %s", nr < 0 ? strerror(-nr) :
				     "more regions than asked for");
		else
			result = add_regions(range, set, vec, nr, &arg);
		arg.start = arg.walk_end;
	}
	if (!result)
		result = set_to_string(set, range->nr);
	free(set);
	return result;
}

const char *pages_with(const struct range *range, __u64 categories)
{
	struct pm_scan_arg arg = SCAN_OF(range,
		.category_mask = categories,
		.return_mask = categories);

	return pages_matching(range, &arg);
}

const char *pages_written(const struct range *range)
{
	return pages_with(range, PAGE_IS_WRITTEN);
}

const char *pages_take(const struct range *range)
{
	struct pm_scan_arg arg = SCAN_OF(range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);

	return pages_matching(range, &arg);
}

int pages_take_each(const struct range *range,
		    void (*somebody)(void *data, size_t first, size_t nr),
		    void *data)
{
	struct page_region vec[VEC_LEN];
	struct pm_scan_arg arg = SCAN_OF(range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.vec = to_u64(vec),
		.vec_len = VEC_LEN,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
	int nr, i;

	for (; arg.start < arg.end; arg.start = arg.walk_end) {
		nr = pagemap_scan(range->pagemap, &arg);
		if (nr < 0)
			return nr;
		for (i = 0; i < nr; i++)
			somebody(data,
				 (vec[i].start - addr_of(range, 0)) / range->unit,
				 (vec[i].end - vec[i].start) / range->unit);
	}
	return 0;
}

const char *pages_bit(const struct range *range, int bit)
{
	size_t page = base_page(), per_unit = range->unit / page;
	size_t len = per_unit * sizeof(__u64);
	const char *result = NULL;
	__u64 *entries;
	size_t i, j, found;
	bool *set;

	entries = malloc(len);
	set = calloc(range->nr, sizeof(*set));
	if (!entries || !set)
		result = "out of memory";
	for (i = 0; !result && i < range->nr; i++) {
		if (pread(range->pagemap, entries, len,
			  addr_of(range, i) / page * sizeof(__u64)) !=
		    (ssize_t)len) {
			result = say("pagemap: %s", strerror(errno));
			break;
		}
		for (j = found = 0; j < per_unit; j++)
			found += entries[j] >> bit & 1;
		if (found && found != per_unit)
			result = say("bit %d in a part of unit %zu", bit, i);
		set[i] = found;
	}
	if (!result)
		result = set_to_string(set, range->nr);
	free(set);
	free(entries);
	return result;
}

const char *pages_armed(const struct range *range)
{
	return pages_bit(range, PAGEMAP_UFFD_WP);
}

const char *pages_one(size_t index)
{
	return say("%zu", index);
}

const char *pages_all(const struct range *range)
{
	if (range->nr == 1)
		return "0";
	return say("0-%zu", range->nr - 1);
}

/* Takes the next stretch off a set; NULL when it is none. */
static const char *next_stretch(const char *set, size_t *first, size_t *last)
{
	char *end;

	*first = strtoul(set, &end, 10);
	if (end == set)
		return NULL;
	*last = *end == '-' ? strtoul(end + 1, &end, 10) : *first;
	return *end == ',' ? end + 1 : end;
}

const char *pages_not(const struct range *range, const char *set)
{
	const char *result = "not a set";
	size_t first, last;
	bool *rest;

	rest = malloc(range->nr * sizeof(*rest));
	if (!rest)
		return "out of memory";
	memset(rest, true, range->nr * sizeof(*rest));
	while (set && *set) {
		set = next_stretch(set, &first, &last);
		if (!set || last < first || last >= range->nr)
			goto out;
		memset(rest + first, false, (last + 1 - first) * sizeof(*rest));
	}
	result = set_to_string(rest, range->nr);
out:
	free(rest);
	return result;
}

bool pages_have(const char *set, size_t index)
{
	size_t first, last;

	while (set && *set) {
		set = next_stretch(set, &first, &last);
		if (set && index >= first && index <= last)
			return true;
	}
	return false;
}

void poke(void *addr, char value)
{
	*(char *)addr = value;
	/* Whoever reads it next is not in this program: the kernel, or a copy. */
	__asm__ __volatile__ ("" : : : "memory");
}

void store(const struct range *range, size_t index)
{
	poke(range->addr + index * range->unit + range->unit / 2, 0x5a);
}

void load(const struct range *range, size_t index)
{
	char value = range->addr[index * range->unit + range->unit / 2];

	/* A value that is used is a value that was loaded. */
	__asm__ __volatile__ ("" : : "r" (value) : "memory");
}

void load_all(const struct range *range)
{
	size_t i;

	for (i = 0; i < range->nr; i++)
		load(range, i);
}

long page_tables(void)
{
	char line[128];
	FILE *status;
	long kb = -1;

	status = fopen("/proc/self/status", "re");
	if (!status)
		return -1;
	while (fgets(line, sizeof(line), status))
		sscanf(line, "VmPTE: %ld kB", &kb);
	fclose(status);
	return kb;
}
