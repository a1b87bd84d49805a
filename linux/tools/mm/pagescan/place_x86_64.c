// SPDX-License-Identifier: GPL-2.0
/* Where may a thread be sent away from, and where to? See inject.h */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "inject.h"
#include "maps.h"
#include "util.h"

/* Not in all versions of sys/ptrace.h. */
#define REQUEST_GET_RSEQ	0x420f

/* Its memory, which is that of another program once it has executed that. */
static int open_mem(struct thread *t)
{
	char path[40];

	if (t->mem >= 0)
		close(t->mem);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->tid);
	t->mem = open(path, O_RDONLY | O_CLOEXEC);
	if (t->mem >= 0)
		return 0;
	if (errno == ENOENT || errno == ESRCH)
		return thread_gone(t);
	because(t->why, "no right to its memory (%s: %s)", path, strerror(errno));
	return -errno;
}

/* Inside a restartable sequence the kernel would abort it behind its back. */
static bool in_rseq(struct thread *t)
{
	struct { uint64_t addr; uint32_t size, signature, flags, pad; } conf = { };
	struct { uint32_t version, flags; uint64_t start, length, abort; } cs;
	uint64_t pointer;

	if (ptrace(REQUEST_GET_RSEQ, t->tid, sizeof(conf), &conf) <= 0 || !conf.addr)
		return false;
	/* struct rseq: cpu_id_start, cpu_id, then the pointer */
	if (pread(t->mem, &pointer, sizeof(pointer), conf.addr + 8) != sizeof(pointer) ||
	    !pointer)
		return false;
	if (pread(t->mem, &cs, sizeof(cs), pointer) != sizeof(cs))
		return true;
	return t->regs.rip - cs.start < cs.length;
}

/*
 * Find the instruction for a system call in a vDSO, if that is of the width of
 * the code that runs now. It is not for code of 32 bits in a process of 64, as
 * Wine has it: there the kernel takes the process for one of 64 bits, and what
 * our system call did would have to be told by other rules. The vDSO of x32 is
 * one of 32 bits, too.
 */
static int search_vdso(struct thread *t, const struct vma *vma)
{
	const size_t len = vma->end - vma->start;
	char *code = xcalloc(len, 1), *at = NULL;
	const ssize_t got = pread(t->mem, code, len, vma->start);
	const int class = t->regs.cs == CS_32 ? ELFCLASS32 : ELFCLASS64;
	int ret = 0;

	if (got <= EI_CLASS || memcmp(code, ELFMAG, SELFMAG) || code[EI_CLASS] != class) {
		because(t->why, "it runs code of %d bits, but is no process of %d bits",
			t->narrow ? 32 : 64, t->narrow ? 32 : 64);
		ret = -EAGAIN;
	} else {
		at = memmem(code, got, t->narrow ? "\xcd\x80" : "\x0f\x05", 2);
	}
	if (at)
		t->insn = vma->start + (at - code);
	free(code);
	return ret;
}

static int find_insn(struct thread *t)
{
	struct maps maps = { };
	char path[40];
	int fd, ret;
	size_t i;

	t->insn = 0;
	t->narrow = t->regs.cs == CS_32;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return thread_gone(t);
	ret = maps_read(&maps, fd);
	close(fd);
	for (i = 0; i < maps.nr && !ret && !t->insn; i++)
		if (!strcmp(maps.v[i].name, "[vdso]"))
			ret = search_vdso(t, &maps.v[i]);
	maps_free(&maps);
	if (ret || t->insn)
		return ret;
	because(t->why, "it has no vDSO of %d bits to do a system call with", t->narrow ? 32 : 64);
	return -EOPNOTSUPP;
}

int thread_place(struct thread *t)
{
	int ret = open_mem(t);

	if (ret)
		return ret;
	if (t->regs.cs != CS_64 && t->regs.cs != CS_32) {
		because(t->why, "it runs code of a segment of its own");
		return -EAGAIN;
	}
	if (in_rseq(t)) {
		because(t->why, "it is always within a restartable sequence");
		return -EAGAIN;
	}
	return find_insn(t);
}
