// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of the hunt: each is done, and the model told of it.  One that the
 * kernel refuses as a whole has changed nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hunt.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#define KSM_DIR			"/sys/kernel/mm/ksm/"
#define SAME			7	/* for KSM to find */
#define RW			(PROT_READ | PROT_WRITE)
#define MAX_MOVED		64

/* The units that an operation is about. */
struct part {
	struct hunt_area *area;
	unsigned int first;
	unsigned int last;	/* not one of them */
	char *addr;
	size_t len;
};

/* False when there are none. */
static bool part_of(struct hunt_world *world, const struct hunt_op *op,
		    struct part *part)
{
	part->area = &world->areas[op->area % world->nr_areas];
	if (!part->area->mapped || !op->nr)
		return false;
	part->first = op->first % part->area->nr;
	part->last = part->first + hunt_min(op->nr, part->area->nr - part->first);
	part->addr = (char *)hunt_word(part->area, part->first, 0);
	part->len = (part->last - part->first) * part->area->mem.range.unit;
	return true;
}

static bool all_have(const struct part *part, int prot)
{
	unsigned int i;

	for (i = part->first; i < part->last; i++)
		if ((part->area->units[i].prot & prot) != prot)
			return false;
	return true;
}

static bool all_tracked(const struct part *part)
{
	unsigned int i;

	for (i = part->first; i < part->last; i++)
		if (!part->area->units[i].tracked)
			return false;
	return true;
}

static void each(const struct part *part,
		 void (*model)(struct hunt_area *area, unsigned int index))
{
	unsigned int i;

	for (i = part->first; i < part->last; i++)
		model(part->area, i);
}

static void tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		errno = 0;	/* the kernel may have none of it */
	close(fd);
}

bool hunt_put(unsigned int *where, unsigned int value, unsigned int way)
{
	struct iovec from = { .iov_base = &value, .iov_len = sizeof(value) };
	struct iovec to = { .iov_base = where, .iov_len = sizeof(value) };
	bool done = false;
	int fds[2];

	switch (way % HUNT_NR_WAYS) {
	case 0:
		if (pipe(fds))
			return false;
		done = write(fds[1], &value, sizeof(value)) == sizeof(value) &&
		       read(fds[0], where, sizeof(value)) == sizeof(value);
		close(fds[0]);
		close(fds[1]);
		return done;
	case HUNT_REFERS:
		fds[0] = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		if (fds[0] < 0)
			return false;
		done = pwrite(fds[0], &value, sizeof(value), (uintptr_t)where) ==
		       sizeof(value);
		close(fds[0]);
		return done;
	case HUNT_PINS:
		return process_vm_writev(getpid(), &from, 1, &to, 1, 0) ==
		       sizeof(value);
	default:
		*(volatile unsigned int *)where = value;
		return true;
	}
}

static void put_word(struct part *part, unsigned int index, unsigned int word,
		     unsigned int value, unsigned int way)
{
	struct hunt_unit *unit = &part->area->units[index];

	if (!hunt_put(hunt_word(part->area, index, word), value, way))
		return;
	hunt_model_write(part->area, index);
	unit->word[word] = value;
	unit->known[word] = true;
}

static const char *do_write(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;
	unsigned int i;

	if (!part_of(world, op, &part))
		return NULL;
	for (i = part.first; i < part.last; i++) {
		if (part.area->units[i].prot != RW)
			continue;
		if (op->args[2] % 8) {
			put_word(&part, i, op->args[1] % HUNT_WORDS,
				 ++world->next_value << 8, op->args[0]);
			continue;
		}
		put_word(&part, i, 0, SAME, op->args[0]);
		put_word(&part, i, 1, SAME, op->args[0]);
	}
	return NULL;
}

static const char *do_read(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;
	unsigned int i;

	if (!part_of(world, op, &part))
		return NULL;
	for (i = part.first; i < part.last; i++) {
		if (!(part.area->units[i].prot & PROT_READ))
			continue;
		load(&part.area->mem.range, i);
		hunt_model_read(part.area, i);
	}
	return NULL;
}

static const char *do_verify(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;

	if (!part_of(world, op, &part))
		return NULL;
	return hunt_verify(world, part.area, part.first, part.last - part.first);
}

static const char *do_protect(struct hunt_world *world, const struct hunt_op *op)
{
	bool arm = op->args[0] & 1;
	struct range range;
	struct part part;
	unsigned int i;
	int ret;

	if (!part_of(world, op, &part))
		return NULL;
	range = hunt_range(world, part.area, part.first, part.last - part.first);
	ret = uffd_writeprotect(world->uffd, &range, arm);
	if (world->exact && ret != (all_tracked(&part) ? 0 : -ENOENT))
		return hunt_wrong(world, "UFFDIO_WRITEPROTECT: %s", strerror(-ret));
	for (i = part.first; i < part.last && !ret; i++) {
		if (arm)
			hunt_model_arm(&part.area->units[i]);
		else
			part.area->units[i].written = HUNT_YES;
	}
	return NULL;
}

static const char *do_register(struct hunt_world *world, const struct hunt_op *op)
{
	bool on = op->args[0] % 3;
	struct range range;
	struct part part;
	unsigned int i;
	int ret;

	if (!part_of(world, op, &part))
		return NULL;
	range = hunt_range(world, part.area, part.first, part.last - part.first);
	if (on)
		ret = uffd_register(world->uffd, &range, UFFDIO_REGISTER_MODE_WP);
	else
		ret = uffd_unregister(world->uffd, &range);
	/* Of files, only what is tracked can be unregistered. */
	if (!on && part.area->kind.backing == BACKING_FILE && ret == -EINVAL &&
	    !all_tracked(&part))
		return NULL;
	if (ret)
		return hunt_wrong(world, "%sregister: %s", on ? "" : "un",
				  strerror(-ret));
	for (i = part.first; i < part.last; i++)
		hunt_model_register(&part.area->units[i], on);
	return NULL;
}

static const char *do_mprotect(struct hunt_world *world, const struct hunt_op *op)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW };
	int prot = prots[op->args[0] % 4];
	struct part part;
	unsigned int i;

	if (!part_of(world, op, &part) || mprotect(part.addr, part.len, prot))
		return NULL;
	for (i = part.first; i < part.last; i++)
		part.area->units[i].prot = prot;
	return NULL;
}

/* Reclaim, and collapsing, take all of a huge page. */
static void whole_huge(struct part *part)
{
	unsigned int per_huge;

	if (!part->area->kind.thp)
		return;
	per_huge = pmd_size() / base_page();
	part->first = part->first / per_huge * per_huge;
	part->last = (part->last + per_huge - 1) / per_huge * per_huge;
	part->last = hunt_min(part->last, part->area->nr);
}

static const char *do_madvise(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;
	int advice, ret;

	hunt_madvise_name(op->args[0], &advice);
	if (!part_of(world, op, &part))
		return NULL;
	/* What would stop half-way is not tried. */
	if ((advice == MADV_POPULATE_READ && !all_have(&part, PROT_READ)) ||
	    ((advice == MADV_POPULATE_WRITE || advice == MADV_REMOVE) &&
	     !all_have(&part, RW)))
		return NULL;
	if (advice == MADV_COLLAPSE && !part.area->kind.thp)
		return NULL;
	ret = madvise(part.addr, part.len, advice);
	if (advice == MADV_COLLAPSE) {
		whole_huge(&part);
		each(&part, hunt_model_collapse);
	}
	if (ret)
		return NULL;
	if (advice == MADV_DONTNEED)
		each(&part, hunt_model_dontneed);
	if (advice == MADV_FREE)
		each(&part, hunt_model_free);
	if (advice == MADV_POPULATE_READ)
		each(&part, hunt_model_read);
	if (advice == MADV_POPULATE_WRITE)
		each(&part, hunt_model_populate_write);
	if (advice == MADV_REMOVE)
		each(&part, hunt_model_punch);
	if (advice == MADV_PAGEOUT) {
		whole_huge(&part);
		each(&part, hunt_model_reclaim);
	}
	return NULL;
}

/* Locking populates: by writing where that is private and not tracked. */
static const char *do_mlock(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;
	unsigned int i;

	if (!part_of(world, op, &part) || !all_have(&part, PROT_READ))
		return NULL;
	if (mlock(part.addr, part.len))
		return hunt_wrong(world, "mlock: %s", strerror(errno));
	for (i = part.first; i < part.last; i++) {
		const struct hunt_unit *unit = &part.area->units[i];

		if (unit->tracked || hunt_is_shared(part.area) || unit->prot != RW)
			hunt_model_read(part.area, i);
		else
			hunt_model_populate_write(part.area, i);
	}
	munlock(part.addr, part.len);
	return NULL;
}

static const char *do_punch(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;

	if (!part_of(world, op, &part) || part.area->mem.fd < 0)
		return NULL;
	if (!memory_punch(&part.area->mem, part.first, part.last - part.first))
		each(&part, hunt_model_punch);
	return NULL;
}

static const char *do_truncate(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;
	off_t unit;

	if (!part_of(world, op, &part) || part.area->mem.fd < 0)
		return NULL;
	part.last = part.area->nr;
	unit = part.area->mem.range.unit;
	if (ftruncate(part.area->mem.fd, part.first * unit))
		return NULL;
	if (ftruncate(part.area->mem.fd, part.last * unit))
		return hunt_wrong(world, "cannot extend the file again");
	each(&part, hunt_model_truncate);
	return NULL;
}

static const char *do_remap(struct hunt_world *world, const struct hunt_op *op)
{
	struct hunt_op all = *op;
	struct part part;
	unsigned int i;

	all.first = 0;
	all.nr = ~0U;
	if (!part_of(world, &all, &part) || part.len > world->spare_size)
		return NULL;
	/* Refused unless it is one mapping. */
	if (mremap(part.addr, part.len, part.len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   world->spare) == MAP_FAILED)
		return NULL;
	if (mremap(world->spare, part.len, part.len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   part.addr) == MAP_FAILED)
		return hunt_wrong(world, "cannot move it back: %s", strerror(errno));
	for (i = part.first; i < part.last && !world->events; i++)
		hunt_model_register(&part.area->units[i], false);
	return NULL;
}

static const char *fork_child(struct hunt_world *world, const struct hunt_op *op)
{
	struct hunt_op scan = {
		.nr = world->nr_pages,
		.args = { PM_SCAN_WP_MATCHING | 1 << 4, 64, 0,
			  PAGE_IS_WRITTEN << 8 | PAGE_IS_WRITTEN << 24 },
	};
	const char *wrong;
	struct part part;
	unsigned int i, j;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	world->pagemap = pagemap_open(0);
	for (i = 0; i < world->nr_areas; i++)
		for (j = 0; j < world->areas[i].nr; j++)
			hunt_model_fork(&world->areas[i], j, world->events);
	wrong = hunt_check(world);
	/*
	 * What the child writes to shared memory is not written through the
	 * parent's mapping; and copies of hugetlb pages may find none left.
	 */
	if (!wrong && part_of(world, op, &part) && !part.area->kind.hugetlb) {
		wrong = do_verify(world, op);
		if (!wrong && !hunt_is_shared(part.area))
			wrong = do_write(world, op);
	}
	wrong = wrong ?: hunt_check(world);
	return wrong ?: hunt_scan(world, &scan);
}

static const char *do_fork(struct hunt_world *world, const struct hunt_op *op)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(fork_child(world, op) ? HUNT_FOUND : HUNT_FINE);
	if (pid < 0)
		return NULL;
	waitpid(pid, &status, 0);
	hunt_close_forks(world);
	if (WIFEXITED(status) && WEXITSTATUS(status) == HUNT_FINE)
		return NULL;
	if (!WIFEXITED(status))
		return hunt_wrong(world, "the child died: %d", WTERMSIG(status));
	memmove(world->why + 10, world->why, HUNT_WHY - 11);
	memcpy(world->why, "in child: ", 10);
	return world->why;
}

static const char *do_migrate(struct hunt_world *world, const struct hunt_op *op)
{
	unsigned long mask = 1UL << (op->args[0] & 1);
	int nodes[MAX_MOVED], status[MAX_MOVED];
	void *pages[MAX_MOVED];
	unsigned int nr = 0, i;
	struct part part;

	if (!part_of(world, op, &part) ||
	    access("/sys/devices/system/node/node1", F_OK))
		return NULL;
	if (op->args[1] % 4 == 0) {
		syscall(__NR_mbind, part.addr, part.len, MPOL_PREFERRED, &mask,
			8 * sizeof(mask), MPOL_MF_MOVE);
		return NULL;
	}
	for (i = part.first; i < part.last && nr < MAX_MOVED; i++) {
		pages[nr] = hunt_word(part.area, i, 0);
		nodes[nr++] = op->args[0] & 1;
	}
	syscall(__NR_move_pages, 0, (unsigned long)nr, pages, nodes, status,
		MPOL_MF_MOVE);
	return NULL;
}

static const char *do_msync(struct hunt_world *world, const struct hunt_op *op)
{
	struct part part;

	if (part_of(world, op, &part))
		msync(part.addr, part.len, MS_SYNC);
	return NULL;
}

static unsigned long full_scans(void)
{
	unsigned long value = 0;
	FILE *file;

	file = fopen(KSM_DIR "full_scans", "r");
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* KSM merges in the background; it is let run for a while, then stopped. */
static const char *do_ksm(struct hunt_world *world, const struct hunt_op *op)
{
	unsigned long start = full_scans();
	struct part part;
	int i;

	if (!part_of(world, op, &part) ||
	    madvise(part.addr, part.len, MADV_MERGEABLE) ||
	    access(KSM_DIR "run", W_OK))
		return NULL;
	tell(KSM_DIR "run", "1");
	for (i = 0; i < 200 && full_scans() < start + 3; i++)
		usleep(1000);
	tell(KSM_DIR "run", op->args[0] % 4 ? "0" : "2");
	return NULL;
}

static const char *do_swapoff(struct hunt_world *world, const struct hunt_op *op)
{
	unsigned int i, j;

	if (!world->swap || swapoff(world->swap->path))
		return NULL;
	for (i = 0; i < world->nr_areas; i++)
		for (j = 0; j < world->areas[i].nr; j++)
			hunt_model_swapoff(&world->areas[i], j);
	swapon(world->swap->path, SWAP_FLAG_PREFER | 32767);
	return NULL;
}

static const char *do_global(struct hunt_world *world, const struct hunt_op *op)
{
	switch (op->args[0] % 4) {
	case 0:
		tell("/proc/sys/vm/compact_memory", "1");
		break;
	case 1:
		tell("/proc/sys/vm/drop_caches", "1");
		break;
	case 2:
		tell("/proc/sys/vm/drop_caches", "3");
		break;
	default:
		/* Soft-dirty bits are nobody else's business. */
		tell("/proc/self/clear_refs", "4");
	}
	return NULL;
}

const char *hunt_do(struct hunt_world *world, const struct hunt_op *op)
{
	static const char *(* const ops[HUNT_NR_OPS])(struct hunt_world *world,
						      const struct hunt_op *op) = {
		[HUNT_WRITE] = do_write,
		[HUNT_READ] = do_read,
		[HUNT_VERIFY] = do_verify,
		[HUNT_SCAN] = hunt_scan,
		[HUNT_PROTECT] = do_protect,
		[HUNT_REGISTER] = do_register,
		[HUNT_MPROTECT] = do_mprotect,
		[HUNT_MADVISE] = do_madvise,
		[HUNT_MLOCK] = do_mlock,
		[HUNT_PUNCH] = do_punch,
		[HUNT_TRUNCATE] = do_truncate,
		[HUNT_REMAP] = do_remap,
		[HUNT_FORK] = do_fork,
		[HUNT_MIGRATE] = do_migrate,
		[HUNT_MSYNC] = do_msync,
		[HUNT_KSM] = do_ksm,
		[HUNT_SWAPOFF] = do_swapoff,
		[HUNT_GLOBAL] = do_global,
	};

	return ops[op->type](world, op);
}
