// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN: the ioctl; see internal.h
 *
 * Nothing is lost: the written state of a page is cleared only if its region
 * reaches the caller. So what the caller gave to write to is tried before
 * anything is armed, and if writing there fails all the same, what was armed is
 * made to count as written again.
 */
#include <linux/futex.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uffd_wp_async.h>
#include <linux/userfaultfd_k.h>

#include <asm/futex.h>

#include "internal.h"

/* The size of the first version of the struct; it can only grow. */
#define PM_SCAN_ARG_SIZE_VER0	96

#define PM_SCAN_FLAGS	(PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC)

/* Get the argument, whatever version of it. -EFAULT, -EINVAL, -E2BIG. */
static int copy_arg(struct pm_scan_arg *arg, struct pm_scan_arg __user *uarg)
{
	u64 size;

	BUILD_BUG_ON(sizeof(*arg) != PM_SCAN_ARG_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct page_region) != 24);

	if (get_user(size, &uarg->size))
		return -EFAULT;
	if (size < PM_SCAN_ARG_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, sizeof(*arg), uarg, size);
}

/*
 * From the argument to the request. -EINVAL for what never makes sense, -EFAULT
 * for addresses that there are not.
 */
static int parse_arg(struct pagemap_scan_request *req,
		     const struct pm_scan_arg *arg)
{
	const u64 start = untagged_addr(arg->start);
	const u64 end = untagged_addr(arg->end);
	u64 bytes;

	req->filter = (struct pagemap_filter) {
		.inverted = arg->category_inverted,
		.mask = arg->category_mask,
		.anyof = arg->category_anyof_mask,
		.ret = arg->return_mask,
	};
	if (arg->flags & ~(u64)PM_SCAN_FLAGS)
		return -EINVAL;
	if (!pagemap_filter_valid(&req->filter))
		return -EINVAL;
	if (!PAGE_ALIGNED(start))
		return -EINVAL;
	if (!arg->vec && arg->vec_len)
		return -EINVAL;

	if (end < start || start > ULONG_MAX || end > ULONG_MAX ||
	    !access_ok((void __user *)(unsigned long)start, end - start))
		return -EFAULT;
	if (check_mul_overflow(arg->vec_len, (u64)sizeof(*req->vec), &bytes) ||
	    bytes > ULONG_MAX || arg->vec > ULONG_MAX)
		return -EFAULT;
	if (bytes && !access_ok(u64_to_user_ptr(arg->vec), bytes))
		return -EFAULT;

	req->start = start;
	req->end = PAGE_ALIGN(end);
	req->vec = arg->vec_len ? u64_to_user_ptr(arg->vec) : NULL;
	req->vec_len = arg->vec_len;
	req->max_pages = arg->max_pages ?: U64_MAX;
	req->arm = arg->flags & PM_SCAN_WP_MATCHING;
	req->check = arg->flags & PM_SCAN_CHECK_WPASYNC;
	req->wants = pagemap_filter_wants(&req->filter);
	if (req->arm)
		req->wants |= PAGE_IS_WRITTEN;
	return 0;
}

/*
 * To change what a process knows of its own writes takes the right to change
 * the process; open() has asked only for the right to look at it. -EPERM, or
 * -ESRCH if the process has exited or runs another program.
 */
static int may_arm(struct mm_struct *mm, struct pid *pid)
{
	struct task_struct *task;
	struct mm_struct *task_mm;
	int ret = 0;

	if (mm == current->mm)
		return 0;
	task = get_pid_task(pid, PIDTYPE_PID);
	if (!task)
		return -ESRCH;
	task_mm = mm_access(task, PTRACE_MODE_ATTACH_REALCREDS);
	put_task_struct(task);

	if (IS_ERR(task_mm))
		return PTR_ERR(task_mm) == -EACCES ? -EPERM : PTR_ERR(task_mm);
	if (task_mm != mm)
		ret = -ESRCH;
	if (task_mm)
		mmput(task_mm);
	return ret;
}

/* Does the end of the range cut a page of the VMA that is armed as a whole? */
static bool cuts_hugetlb(struct vm_area_struct *vma, unsigned long addr)
{
	return is_vm_hugetlb_page(vma) && addr > vma->vm_start &&
	       addr < vma->vm_end && (addr & (vma_kernel_pagesize(vma) - 1));
}

/*
 * Look at the VMAs before anything is armed: -EPERM if writes are not tracked
 * in one and that was asked for, with the address of the first such; -EINVAL
 * for a part of a hugetlb page. VMAs can change later, when the mmap_lock is
 * given up; the walk then finds out by itself.
 */
static int check_vmas(const struct pagemap_scan_request *req,
		      unsigned long *where)
{
	struct vm_area_struct *vma;

	VMA_ITERATOR(vmi, req->mm, req->start);

	mmap_assert_locked(req->mm);
	for_each_vma_range(vmi, vma, req->end) {
		const bool tracked = userfaultfd_wp_async(vma);

		if (req->check && !tracked) {
			*where = max(vma->vm_start, req->start);
			return -EPERM;
		}
		if (req->arm && tracked && (cuts_hugetlb(vma, req->start) ||
					    cuts_hugetlb(vma, req->end)))
			return -EINVAL;
	}
	return 0;
}

/* Pages from start to end count as written again, if anybody tracks them. */
static void unarm(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;

	VMA_ITERATOR(vmi, mm, start);

	mmap_read_lock(mm);
	for_each_vma_range(vmi, vma, end) {
		unsigned long from = max(start, vma->vm_start);
		unsigned long to = min(end, vma->vm_end);

		if (userfaultfd_wp_async(vma))
			uffd_wp_range(mm, vma, from, to - from, false);
	}
	mmap_read_unlock(mm);
}

static void unarm_regions(const struct pagemap_scan_request *req,
			  const struct pagemap_regions *regions)
{
	unsigned int i;

	if (!req->arm)
		return;
	for (i = 0; i < regions->nr; i++)
		unarm(req->mm, regions->vec[i].start, regions->vec[i].end);
}

#ifdef CONFIG_X86
/* Add 0, atomically: that changes nothing, and costs less than a fault */
static bool can_add_nothing(u32 __user *word)
{
	int err, old;

	pagefault_disable();
	err = arch_futex_atomic_op_inuser(FUTEX_OP_ADD, 0, &old, word);
	pagefault_enable();
	return !err;
}
#else
static bool can_add_nothing(u32 __user *word)
{
	return false;
}
#endif

/* Can the page of an address be written to? */
static bool page_writable(unsigned long addr)
{
	u32 __user *word = (u32 __user *)round_down(addr, sizeof(u32));

	return can_add_nothing(word) ||
	       !fault_in_safe_writeable((char __user *)word, sizeof(*word));
}

/*
 * How many regions there is surely room for at vec, of nr. What is only looked
 * at loses nothing if it cannot be written, and is not tried.
 */
static unsigned int writable_regions(const struct pagemap_scan_request *req,
				     struct page_region __user *vec,
				     unsigned int nr)
{
	const unsigned long start = (unsigned long)vec;
	const unsigned long end = start + nr * sizeof(*vec);
	unsigned long addr = start;

	if (!req->arm)
		return nr;
	while (addr < end && page_writable(addr))
		addr = round_down(addr, PAGE_SIZE) + PAGE_SIZE;
	return (min(addr, end) - start) / sizeof(*vec);
}

/*
 * Copy the regions out. By words, since there are many with little in each
 * when every other page is reported, and string instructions take a byte at a
 * time where they have no microcode for better. -EFAULT, and then some may have
 * been copied.
 */
static int copy_regions(struct page_region __user *vec,
			const struct pagemap_regions *regions)
{
	const struct page_region *region = regions->vec;
	const struct page_region *end = region + regions->nr;

	if (!user_write_access_begin(vec, regions->nr * sizeof(*vec)))
		return -EFAULT;
	for (; region != end; region++, vec++) {
		unsafe_put_user(region->start, &vec->start, fault);
		unsafe_put_user(region->end, &vec->end, fault);
		unsafe_put_user(region->categories, &vec->categories, fault);
	}
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/*
 * Walk until there is something to copy out, or nothing more to walk. The
 * mmap_lock is not held for longer than one page table while others want it.
 * -EINTR if the task is being killed.
 */
static int scan_batch(struct pagemap_scan_cursor *cursor)
{
	struct mm_struct *mm = cursor->req->mm;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		pagemap_scan_walk(cursor);
		mmap_read_unlock(mm);
		if (cursor->stop == PAGEMAP_STOP_DRAIN) {
			uffd_wp_async_drain(mm);
			cursor->drained = true;
		}
	} while (cursor->stop == PAGEMAP_STOP_YIELD ||
		 cursor->stop == PAGEMAP_STOP_DRAIN);

	return 0;
}

/*
 * Why there is not another batch: 0, or the error that the walk ended with.
 * max_pages that do not suffice for the first page are not a limit but a
 * mistake: the caller would come back here forever.
 */
static int walk_error(const struct pagemap_scan_cursor *cursor)
{
	const struct pagemap_scan_request *req = cursor->req;

	if (cursor->stop == PAGEMAP_STOP_ERROR)
		return cursor->error;
	if (cursor->stop == PAGEMAP_STOP_HUGETLB &&
	    cursor->regions.pages_left == req->max_pages)
		return -EINVAL;
	return 0;
}

/*
 * Scan batch after batch. An error ends the scan; it is returned only if
 * nothing was delivered before, else the next call will meet it again, as the
 * cursor stays where it happened. Returns the number of regions, or an error.
 */
static long scan(struct pagemap_scan_cursor *cursor)
{
	const struct pagemap_scan_request *req = cursor->req;
	struct pagemap_regions *regions = &cursor->regions;
	u64 done = 0;
	int err;

	do {
		struct page_region __user *vec = req->vec + done;
		unsigned long from = cursor->addr;
		u64 pages_left = regions->pages_left;

		regions->nr = 0;
		if (req->vec) {
			regions->cap = min_t(u64, PAGEMAP_SCAN_BATCH,
					     req->vec_len - done);
			regions->cap = writable_regions(req, vec, regions->cap);
			if (!regions->cap) {
				err = -EFAULT;
				break;
			}
		}

		err = scan_batch(cursor);
		if (regions->nr && copy_regions(vec, regions)) {
			unarm_regions(req, regions);
			regions->pages_left = pages_left;
			cursor->addr = from;
			err = -EFAULT;
			break;
		}
		done += regions->nr;
		err = err ?: walk_error(cursor);
	} while (!err && cursor->stop == PAGEMAP_STOP_FULL &&
		 done < req->vec_len);

	return done ? (long)done : err;
}

static long do_scan(struct pagemap_scan_request *req,
		    struct pm_scan_arg __user *uarg)
{
	struct pagemap_scan_cursor cursor = {
		.req = req,
		.addr = req->start,
		.lesson = PAGEMAP_LESSON_NONE,
		.regions.page_size = PAGE_SIZE,
		.regions.pages_left = req->max_pages,
	};
	long ret;

	/* Where the result goes is tried before there is one */
	if (put_user((u64)req->start, &uarg->walk_end))
		return -EFAULT;
	if (req->start == req->end)
		return 0;

	if (req->arm || req->check) {
		if (mmap_read_lock_killable(req->mm))
			return -EINTR;
		ret = check_vmas(req, &cursor.addr);
		mmap_read_unlock(req->mm);
		if (ret)
			goto out;
	}

	if (req->vec) {
		cursor.regions.vec = kmalloc_array(min_t(u64, req->vec_len,
							 PAGEMAP_SCAN_BATCH),
						   sizeof(*cursor.regions.vec),
						   GFP_KERNEL);
		ret = -ENOMEM;
		if (!cursor.regions.vec)
			goto out;
	}
	ret = scan(&cursor);
	kfree(cursor.regions.vec);
out:
	if (put_user((u64)cursor.addr, &uarg->walk_end)) {
		/* The caller cannot tell what it got: all of it is to be new */
		if (req->arm)
			unarm(req->mm, req->start, cursor.addr);
		return -EFAULT;
	}
	return ret;
}

/**
 * pagemap_scan_ioctl - ioctl of /proc/PID/pagemap
 * @mm: the mm that the file was opened for; its mm_count is held, or NULL
 * @pid: the process of the file
 * @cmd: PAGEMAP_SCAN
 * @arg: address of a struct pm_scan_arg, in any version of it
 *
 * Context: may sleep; takes the mmap_lock of @mm for reading, and that of the
 * caller.
 * Return: the number of regions at &pm_scan_arg.vec; or
 *
 * * -ENOTTY: @cmd is not known
 * * -EFAULT: the argument or the vec cannot be read or written, or the range is
 *   not in the address space
 * * -EINVAL: a size, flag, category or address does not make sense; or
 *   PM_SCAN_WP_MATCHING with a part of a hugetlb page, or with a
 *   &pm_scan_arg.max_pages that is less than one
 * * -E2BIG: the argument says things that this kernel does not know
 * * -EPERM: PM_SCAN_CHECK_WPASYNC, and writes are not tracked everywhere; or
 *   PM_SCAN_WP_MATCHING without the right to attach to the process
 * * -ENOMEM: no memory, for a page table or for the scan
 * * -ESRCH: the process has exited, or executed another program
 * * -EINTR: the task is being killed
 */
long pagemap_scan_ioctl(struct mm_struct *mm, struct pid *pid,
			unsigned int cmd, unsigned long arg)
{
	struct pm_scan_arg __user *uarg = (struct pm_scan_arg __user *)arg;
	struct pagemap_scan_request req = { .mm = mm };
	struct pm_scan_arg karg;
	long ret;

	if (cmd != PAGEMAP_SCAN)
		return -ENOTTY;

	ret = copy_arg(&karg, uarg);
	if (ret)
		return ret;
	ret = parse_arg(&req, &karg);
	if (ret)
		return ret;

	if (!mm || !mmget_not_zero(mm))
		return -ESRCH;
	if (req.arm)
		ret = may_arm(mm, pid);
	if (!ret)
		ret = do_scan(&req, uarg);
	mmput(mm);
	return ret;
}
