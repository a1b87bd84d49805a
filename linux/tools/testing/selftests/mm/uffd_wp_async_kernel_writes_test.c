// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that the kernel makes for somebody, to memory that is armed: they are
 * seen as a store is, whatever way they take, and with UFFD_USER_MODE_ONLY too,
 * for nobody is asked.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tracked.h"

FIXTURE(kernel)
{
	struct memory mem;
	struct range *range;
	size_t target;
	char *to;	/* in the middle of the target */
	int flags;	/* of the uffd */
	int uffd;
	int pipe[2];
};

FIXTURE_VARIANT(kernel)
{
	const struct memory_kind *kind;
	enum memory_state state;
	bool all_modes;		/* or UFFD_USER_MODE_ONLY */
};

FIXTURE_VARIANT_ADD(kernel, anon_all_modes) { KIND(anon, WRITTEN), .all_modes = true };
FIXTURE_VARIANT_ADD(kernel, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(kernel, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(kernel, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, stack) { KIND(stack, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(kernel, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, sysv) { KIND(sysv, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, memfd_shared_hole) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(kernel, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, memfd_private_hole) { KIND(memfd_private, HOLE) };
FIXTURE_VARIANT_ADD(kernel, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(kernel, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, memfd_private_thp_read) { KIND(memfd_private_thp, READ) };
FIXTURE_VARIANT_ADD(kernel, file_shared_hole) { KIND(file_shared, HOLE) };
FIXTURE_VARIANT_ADD(kernel, file_shared_read) { KIND(file_shared, READ) };
FIXTURE_VARIANT_ADD(kernel, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, file_private_read) { KIND(file_private, READ) };
FIXTURE_VARIANT_ADD(kernel, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, hugetlb_shared_hole) { KIND(hugetlb_shared, HOLE) };
FIXTURE_VARIANT_ADD(kernel, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(kernel, hugetlb_private_hole) { KIND(hugetlb_private, HOLE) };
FIXTURE_VARIANT_ADD(kernel, hugetlb_private_file_read) { KIND(hugetlb_memfd_private, READ) };

FIXTURE_SETUP(kernel)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->flags = variant->all_modes ? 0 : UFFD_USER_MODE_ONLY;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, self->flags, 0);
	self->target = self->range->nr * 5 / 8;
	self->to = self->range->addr + self->target * self->range->unit +
		   self->range->unit / 2;
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(kernel)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->uffd);
	memory_free(&self->mem);
}

#define ASSERT_TARGET_WRITTEN()						\
do {									\
	ASSERT_WRITTEN(pages_one(self->target), self->range);		\
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));		\
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));	\
	ASSERT_WRITTEN("", self->range);				\
} while (0)

TEST_F(kernel, read)
{
	ASSERT_EQ(4, write(self->pipe[1], "data", 4));
	ASSERT_EQ(4, read(self->pipe[0], self->to, 4));
	ASSERT_EQ(0, memcmp(self->to, "data", 4));
	ASSERT_TARGET_WRITTEN();
}

TEST_F(kernel, process_vm_writev)
{
	struct iovec from = { .iov_base = "data", .iov_len = 4 };
	struct iovec to = { .iov_base = self->to, .iov_len = 4 };
	ssize_t len;

	len = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	SKIP_IF(len < 0 && errno == ENOSYS ? "no process_vm_writev" : NULL);
	ASSERT_EQ(4, len);
	ASSERT_EQ(0, memcmp(self->to, "data", 4));
	ASSERT_TARGET_WRITTEN();
}

TEST_F(kernel, proc_mem)
{
	int fd;

	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(4, pwrite(fd, "data", 4, to_u64(self->to)));
	close(fd);
	ASSERT_EQ(0, memcmp(self->to, "data", 4));
	ASSERT_TARGET_WRITTEN();
}

/*
 * Through a mapping that its owner may not write to, as a debugger does.  That
 * is for private memory; elsewhere it is refused, and no write.  What hugetlb
 * makes of it has changed from kernel to kernel.
 */
TEST_F(kernel, proc_mem_by_force)
{
	ssize_t len;
	int fd;

	ASSERT_EQ(0, mprotect(self->range->addr,
			      self->range->nr * self->range->unit, PROT_READ));
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	len = pwrite(fd, "data", 4, to_u64(self->to));
	close(fd);
	if (memory_is_shared(variant->kind) ||
	    (variant->kind->hugetlb && len < 0)) {
		ASSERT_EQ(-1, len);
		ASSERT_WRITTEN("", self->range);
		return;
	}
	ASSERT_EQ(4, len);
	ASSERT_EQ(0, memcmp(self->to, "data", 4));
	ASSERT_TARGET_WRITTEN();
}

TEST_F(kernel, futex)
{
	unsigned int *word = (unsigned int *)self->to, other = 0;
	long ret;

	/* Sets *word to 77 in kernel mode, then wakes nobody. */
	ret = syscall(__NR_futex, &other, FUTEX_WAKE_OP_PRIVATE, 1, 1, word,
		      FUTEX_OP(FUTEX_OP_SET, 77, FUTEX_OP_CMP_EQ, 1));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(77, *word);
	ASSERT_TARGET_WRITTEN();
}

TEST_F(kernel, futex_lock_pi)
{
	unsigned int *word = (unsigned int *)self->to;
	long ret;

	ret = syscall(__NR_futex, word, FUTEX_LOCK_PI_PRIVATE, 0, NULL);
	SKIP_IF(ret && errno == ENOSYS ? "no futexes with priorities" : NULL);
	ASSERT_EQ(0, ret);
	ASSERT_EQ((unsigned int)gettid(), *word & FUTEX_TID_MASK);
	ASSERT_TARGET_WRITTEN();
	ASSERT_EQ(0, syscall(__NR_futex, word, FUTEX_UNLOCK_PI_PRIVATE));
	ASSERT_EQ(0, *word);
	ASSERT_TARGET_WRITTEN();
}

TEST_F(kernel, direct_io)
{
	size_t page = base_page();
	char *to = self->range->addr + self->target * self->range->unit;
	char *data;
	int fd;

	fd = memory_file(O_DIRECT);
	SKIP_IF(fd < 0 ? "no file system with O_DIRECT" : NULL);
	data = mmap(NULL, page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(data != MAP_FAILED);
	memset(data, 'd', page);
	/* What memory_intact() looks for stays where it is. */
	memcpy(data, to, sizeof(int));
	ASSERT_STREQ("", pages_written(self->range));
	ASSERT_EQ(page, pwrite(fd, data, page, 0));
	ASSERT_EQ(page, pread(fd, to, page, 0));
	ASSERT_EQ(0, memcmp(to, data, page));
	munmap(data, page);
	close(fd);
	ASSERT_TARGET_WRITTEN();
}

/* The child tracks its own memory; its parent pokes and scans it. */
static int traced_child(FIXTURE_DATA(kernel) *self)
{
	close(self->range->pagemap);
	self->range->pagemap = pagemap_open(0);
	/* fork() copies no page tables of what it can find in a file again. */
	load_all(self->range);
	if (uffd_track(self->range, self->flags, 0) < 0)
		return 1;
	if (strcmp(pages_all(self->range), pages_take(self->range)))
		return 2;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 3;
	raise(SIGSTOP);
	return 0;
}

TEST_F(kernel, ptrace_poke)
{
	struct range range = *self->range;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(traced_child(self));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status)) TH_LOG("child: %x", status);

	range.pagemap = pagemap_open(pid);
	ASSERT_LE(0, range.pagemap);
	ASSERT_WRITTEN("", &range);
	ASSERT_EQ(0, ptrace(PTRACE_POKEDATA, pid, self->to, (void *)0x1234L));
	ASSERT_EQ(0x1234, ptrace(PTRACE_PEEKDATA, pid, self->to, NULL));
	ASSERT_WRITTEN(pages_one(self->target), &range);
	close(range.pagemap);

	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));
}

static void *frame;

static void note_frame(int sig)
{
	frame = __builtin_frame_address(0);
}

/* The kernel writes the frame of a signal to the stack it is to run on. */
TEST(signal_frame_is_written)
{
	const struct sigaction action = {
		.sa_handler = note_frame,
		.sa_flags = SA_ONSTACK,
	};
	struct memory mem;
	stack_t stack;
	int uffd;

	uffd = track(_metadata, &mem, &memory_anon, MEMORY_WRITTEN,
		     UFFD_USER_MODE_ONLY, 0);
	stack = (stack_t) {
		.ss_sp = mem.range.addr,
		.ss_size = mem.range.nr * mem.range.unit,
	};
	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, raise(SIGUSR1));
	ASSERT_LT(addr_of(&mem.range, 0), to_u64(frame));
	/* How far down it reaches is the processor's business. */
	ASSERT_TRUE(pages_have(pages_written(&mem.range), 7));
	ASSERT_TRUE(pages_have(pages_armed(&mem.range), 0));
	stack.ss_flags = SS_DISABLE;
	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	close(uffd);
	memory_free(&mem);
}

TEST_HARNESS_MAIN
