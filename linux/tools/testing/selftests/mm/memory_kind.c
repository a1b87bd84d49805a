// SPDX-License-Identifier: GPL-2.0
/*
 * Makes memory of each kind for the tests of PAGEMAP_SCAN and of write tracking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory_kind.h"

#ifndef SHM_HUGE_2MB
#define SHM_HUGE_2MB	(21 << 26)
#endif

#define SIZE_2M		0x200000UL
#define SIZE_1G		0x40000000UL
#define NR_SMALL	8	/* base pages: enough to have neighbours */
#define NR_HUGE		3	/* hugetlb pages: dear, but still neighbours */
#define NR_THP		2

#define THP_DIR		"/sys/kernel/mm/transparent_hugepage/"

const struct memory_kind memory_anon = {
	.name = "anonymous",
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
	.nr = NR_SMALL,
};

const struct memory_kind memory_anon_shared = {
	.name = "anonymous, shared",
	.map_flags = MAP_SHARED | MAP_ANONYMOUS,
	.nr = NR_SMALL,
};

const struct memory_kind memory_anon_thp = {
	.name = "anonymous, huge",
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
	.thp = true,
};

const struct memory_kind memory_stack = {
	.name = "stack",
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK,
	.nr = NR_SMALL,
};

const struct memory_kind memory_memfd_shared = {
	.name = "memfd, shared",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_SHARED,
	.nr = NR_SMALL,
};

const struct memory_kind memory_memfd_private = {
	.name = "memfd, private",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_PRIVATE,
	.nr = NR_SMALL,
};

const struct memory_kind memory_memfd_shared_thp = {
	.name = "memfd, shared, huge",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_SHARED,
	.thp = true,
};

const struct memory_kind memory_memfd_private_thp = {
	.name = "memfd, private, huge",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_PRIVATE,
	.thp = true,
};

const struct memory_kind memory_sysv = {
	.name = "System V shm",
	.backing = BACKING_SYSV,
	.map_flags = MAP_SHARED,
	.nr = NR_SMALL,
};

const struct memory_kind memory_file_shared = {
	.name = "file, shared",
	.backing = BACKING_FILE,
	.map_flags = MAP_SHARED,
	.nr = NR_SMALL,
};

const struct memory_kind memory_file_private = {
	.name = "file, private",
	.backing = BACKING_FILE,
	.map_flags = MAP_PRIVATE,
	.nr = NR_SMALL,
};

const struct memory_kind memory_hugetlb_shared = {
	.name = "hugetlb, shared",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_SHARED,
	.hugetlb = SIZE_2M,
	.nr = NR_HUGE,
};

const struct memory_kind memory_hugetlb_private = {
	.name = "hugetlb, anonymous",
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
	.hugetlb = SIZE_2M,
	.nr = NR_HUGE,
};

const struct memory_kind memory_hugetlb_memfd_private = {
	.name = "hugetlb, private file",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_PRIVATE,
	.hugetlb = SIZE_2M,
	.nr = NR_HUGE,
};

const struct memory_kind memory_hugetlb_1g_shared = {
	.name = "hugetlb 1 GiB, shared",
	.backing = BACKING_MEMFD,
	.map_flags = MAP_SHARED,
	.hugetlb = SIZE_1G,
	.nr = 1,
};

const struct memory_kind memory_hugetlb_1g_private = {
	.name = "hugetlb 1 GiB, anonymous",
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
	.hugetlb = SIZE_1G,
	.nr = 1,
};

bool memory_is_shared(const struct memory_kind *kind)
{
	return kind->map_flags & MAP_SHARED;
}

static int read_text(const char *path, char *text, size_t size)
{
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	return 0;
}

static int write_text(const char *path, const char *text)
{
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = -errno;
	close(fd);
	return err;
}

int memory_set(struct memory *mem, const char *path, const char *value)
{
	struct memory_setting *setting = &mem->settings[mem->nr_settings];
	char text[128], *old = text, *chosen;
	int err;

	if (mem->nr_settings == MEMORY_MAX_SETTINGS)
		return -ENOSPC;
	err = read_text(path, text, sizeof(text));
	if (err)
		return err;
	/* A choice among words has brackets around the one that is set. */
	chosen = strchr(text, '[');
	if (chosen) {
		old = chosen + 1;
		old[strcspn(old, "]")] = '\0';
	}
	old[strcspn(old, "\n")] = '\0';
	if (!strcmp(old, value))
		return 0;
	err = write_text(path, value);
	if (err)
		return err;
	snprintf(setting->path, sizeof(setting->path), "%s", path);
	snprintf(setting->old, sizeof(setting->old), "%.31s", old);
	mem->nr_settings++;
	return 0;
}

static const char *reserve_hugetlb(struct memory *mem)
{
	const struct memory_kind *kind = mem->kind;
	char path[96], text[32];
	unsigned long nr, free;
	/* Copies on write, of a file and again after fork(), take their own. */
	unsigned long need = kind->hugetlb == SIZE_1G ? 1 : 3 * kind->nr;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages",
		 kind->hugetlb >> 10);
	if (read_text(path, text, sizeof(text)))
		return "no hugetlb pages of this size in the kernel";
	free = strtoul(text, NULL, 10);
	if (free >= need)
		return NULL;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
		 kind->hugetlb >> 10);
	if (read_text(path, text, sizeof(text)))
		return "no nr_hugepages";
	nr = strtoul(text, NULL, 10) + need - free;
	snprintf(text, sizeof(text), "%lu", nr);
	if (memory_set(mem, path, text))
		return "may not reserve hugetlb pages";
	if (read_text(path, text, sizeof(text)) ||
	    strtoul(text, NULL, 10) < nr)
		return "no memory for hugetlb pages of this size";
	return NULL;
}

static const char *allow_thp(struct memory *mem)
{
	char text[128];

	if (!pmd_size())
		return "no transparent huge pages in the kernel";
	mem->range.nr = mem->kind->nr ?: NR_THP * pmd_size() / base_page();
	if (read_text(THP_DIR "enabled", text, sizeof(text)))
		return "no transparent huge pages in the kernel";
	if (strstr(text, "[never]") && memory_set(mem, THP_DIR "enabled",
						  "madvise"))
		return "may not switch transparent huge pages on";
	if (mem->kind->backing == BACKING_MEMFD &&
	    memory_set(mem, THP_DIR "shmem_enabled", "advise"))
		return "no transparent huge pages in shmem";
	return NULL;
}

static bool usable_ext4(const char *dir)
{
	struct statfs fs;

	return dir && !statfs(dir, &fs) && fs.f_type == EXT4_SUPER_MAGIC &&
	       !access(dir, W_OK);
}

const char *memory_file_dir(void)
{
	const char *named = getenv("TEST_EXT4");

	if (usable_ext4(named))
		return named;
	if (usable_ext4("."))
		return ".";
	if (usable_ext4("/var/tmp"))
		return "/var/tmp";
	return usable_ext4("/mnt/ext4") ? "/mnt/ext4" : NULL;
}

int memory_file(int flags)
{
	const char *dir = memory_file_dir();
	char path[256];
	int fd;

	if (!dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/pagemap-test-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* Units start with their number, so that a page in the wrong place shows. */
static unsigned int word_of(size_t index)
{
	return 0x10000 + index;
}

static unsigned int *word_at(const struct range *range, size_t index)
{
	return (unsigned int *)(range->addr + index * range->unit);
}

static const char *open_backing(struct memory *mem, size_t len)
{
	const struct memory_kind *kind = mem->kind;
	unsigned int flags = MFD_CLOEXEC, word;
	size_t i;

	if (kind->hugetlb)
		flags |= MFD_HUGETLB |
			 (kind->hugetlb == SIZE_1G ? MFD_HUGE_1GB : MFD_HUGE_2MB);
	if (kind->backing == BACKING_MEMFD)
		mem->fd = memfd_create("pagemap-test", flags);
	else
		mem->fd = memory_file(0);
	if (mem->fd < 0)
		return kind->backing == BACKING_FILE ?
			"no ext4: TEST_EXT4 names a directory on one" :
			"no memfd of this kind";
	if (ftruncate(mem->fd, len))
		return "cannot size the file";
	if (kind->backing != BACKING_FILE)
		return NULL;
	for (i = 0; i < mem->range.nr; i++) {
		word = word_of(i);
		if (pwrite(mem->fd, &word, sizeof(word), i * mem->range.unit) !=
		    sizeof(word))
			return "cannot write the file";
	}
	/* Mapping a page for reading must not find it dirty already. */
	fsync(mem->fd);
	mem->file_filled = true;
	return NULL;
}

static const char *map_sysv(struct memory *mem, size_t len)
{
	void *addr;
	int id;

	id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
	if (id < 0)
		return "no System V shared memory";
	addr = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	if (addr == (void *)-1)
		return "cannot attach System V shared memory";
	mem->map = addr;
	mem->range.addr = addr;
	return NULL;
}

static const char *map_plain(struct memory *mem, size_t len, void *where)
{
	const struct memory_kind *kind = mem->kind;
	size_t align = kind->thp ? pmd_size() : mem->range.unit;
	int flags = kind->map_flags | (where ? MAP_FIXED : 0);
	uintptr_t at;
	char *addr;

	if (kind->hugetlb && kind->backing == BACKING_NONE)
		flags |= MAP_HUGETLB | (kind->hugetlb == SIZE_1G ?
					MAP_HUGE_1GB : MAP_HUGE_2MB);
	if (kind->hugetlb || where) {
		addr = mmap(where, len, PROT_READ | PROT_WRITE, flags, mem->fd, 0);
		if (addr == MAP_FAILED)
			return kind->hugetlb ?
				"cannot map hugetlb pages of this size" :
				"cannot map this kind of memory there";
		mem->range.addr = addr;
		mem->map = addr;
		mem->map_len = len;
		return NULL;
	}

	/*
	 * No access around it: neighbours would merge with it, grow it, or be
	 * taken for a part of it.
	 */
	mem->map_len = len + 2 * align;
	mem->map = mmap(NULL, mem->map_len, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->map == MAP_FAILED) {
		mem->map = NULL;
		return "no address space";
	}
	at = ((uintptr_t)mem->map + align) / align * align;
	addr = mmap((void *)at, len, PROT_READ | PROT_WRITE,
		    flags | MAP_FIXED, mem->fd, 0);
	if (addr == MAP_FAILED)
		return "cannot map this kind of memory";
	mem->range.addr = addr;
	return NULL;
}

static void write_all(const struct range *range)
{
	size_t i;

	for (i = 0; i < range->nr; i++)
		*word_at(range, i) = word_of(i);
	__asm__ __volatile__ ("" : : : "memory");
}

/*
 * A file gets huge pages only from faults of a shared mapping, and transparent
 * ones of an aligned one.  So one takes the place of the mapping for a while.
 */
static const char *fill_huge_file(struct memory *mem, size_t len)
{
	const struct memory_kind *kind = mem->kind;
	const int prot = PROT_READ | PROT_WRITE;

	if (mmap(mem->range.addr, len, prot, MAP_SHARED | MAP_FIXED, mem->fd,
		 0) == MAP_FAILED)
		return "cannot map the file shared";
	if (kind->thp)
		madvise(mem->range.addr, len, MADV_HUGEPAGE);
	write_all(&mem->range);
	mem->file_filled = true;

	if (mmap(mem->range.addr, len, prot, kind->map_flags | MAP_FIXED,
		 mem->fd, 0) == MAP_FAILED)
		return "cannot map this kind of memory again";
	if (kind->thp)
		madvise(mem->range.addr, len, MADV_HUGEPAGE);
	return NULL;
}

static const char *populate(struct memory *mem, enum memory_state state)
{
	const struct memory_kind *kind = mem->kind;
	size_t len = mem->range.nr * mem->range.unit;
	const char *reason;

	if (kind->thp) {
		if (madvise(mem->range.addr, len, MADV_HUGEPAGE))
			return "no transparent huge pages for this memory";
	} else if (!kind->hugetlb) {
		/* Whatever the machine's default, these are base pages. */
		madvise(mem->range.addr, len, MADV_NOHUGEPAGE);
	}

	if (kind->backing == BACKING_MEMFD && (kind->thp || kind->hugetlb) &&
	    state != MEMORY_HOLE) {
		reason = fill_huge_file(mem, len);
		if (reason)
			return reason;
	}
	if (state == MEMORY_WRITTEN)
		write_all(&mem->range);
	else if (state == MEMORY_READ)
		load_all(&mem->range);

	if (kind->thp && state != MEMORY_HOLE &&
	    strcmp(pages_with(&mem->range, PAGE_IS_HUGE),
		   pages_all(&mem->range)))
		return "the kernel gave no huge pages";
	return NULL;
}

const char *memory_make(struct memory *mem, const struct memory_kind *kind,
			enum memory_state state)
{
	return memory_make_at(mem, kind, state, NULL);
}

const char *memory_make_at(struct memory *mem, const struct memory_kind *kind,
			   enum memory_state state, void *where)
{
	const char *reason = NULL;
	size_t len;

	memset(mem, 0, sizeof(*mem));
	mem->kind = kind;
	mem->fd = -1;
	mem->range.unit = kind->hugetlb ?: base_page();
	mem->range.nr = kind->nr;
	mem->range.pagemap = pagemap_open(0);
	if (mem->range.pagemap < 0)
		return "no /proc/self/pagemap";

	if (kind->hugetlb)
		reason = reserve_hugetlb(mem);
	else if (kind->thp)
		reason = allow_thp(mem);
	len = mem->range.nr * mem->range.unit;
	if (!reason && (kind->backing == BACKING_MEMFD ||
			kind->backing == BACKING_FILE))
		reason = open_backing(mem, len);
	if (!reason)
		reason = kind->backing == BACKING_SYSV ?
			 map_sysv(mem, len) : map_plain(mem, len, where);
	if (!reason)
		reason = populate(mem, state);
	if (reason)
		memory_free(mem);
	return reason;
}

void memory_free(struct memory *mem)
{
	if (mem->map && mem->kind->backing == BACKING_SYSV)
		shmdt(mem->map);
	else if (mem->map)
		munmap(mem->map, mem->map_len);
	mem->map = NULL;
	if (mem->fd >= 0)
		close(mem->fd);
	mem->fd = -1;
	if (mem->range.pagemap >= 0)
		close(mem->range.pagemap);
	mem->range.pagemap = -1;
	while (mem->nr_settings) {
		mem->nr_settings--;
		write_text(mem->settings[mem->nr_settings].path,
			   mem->settings[mem->nr_settings].old);
	}
}

int memory_punch(const struct memory *mem, size_t first, size_t nr)
{
	const size_t unit = mem->range.unit;

	return fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)first * unit, (off_t)nr * unit) ? -errno : 0;
}

bool memory_intact(const struct memory *mem, enum memory_state state)
{
	unsigned int expected;
	size_t i;

	__asm__ __volatile__ ("" : : : "memory");
	for (i = 0; i < mem->range.nr; i++) {
		expected = 0;
		if (state == MEMORY_WRITTEN || mem->file_filled)
			expected = word_of(i);
		if (*word_at(&mem->range, i) != expected)
			return false;
	}
	return true;
}
