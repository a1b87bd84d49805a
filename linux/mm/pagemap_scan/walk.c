// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN: the walk over the page tables; see internal.h
 */
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagewalk.h>
#include <linux/uffd_wp_async.h>
#include <linux/userfaultfd_k.h>

#include "internal.h"

/**
 * pagemap_scan_stop - end the walk
 * @cursor: the cursor
 * @stop: the reason
 *
 * Return: what a callback has to return.
 */
int pagemap_scan_stop(struct pagemap_scan_cursor *cursor,
		      enum pagemap_scan_stop stop)
{
	cursor->stop = stop;
	return PAGEMAP_WALK_STOP;
}

/**
 * pagemap_scan_fail - end the walk with an error
 * @cursor: the cursor
 * @error: a negative errno
 *
 * Return: what a callback has to return.
 */
int pagemap_scan_fail(struct pagemap_scan_cursor *cursor, int error)
{
	cursor->error = error;
	return pagemap_scan_stop(cursor, PAGEMAP_STOP_ERROR);
}

/**
 * pagemap_scan_should_yield - is it time to let go of the mmap_lock?
 * @cursor: the cursor, between two entries
 *
 * Return: true if somebody waits for the lock, or for the CPU, or wants this
 * task dead, and the walk has got somewhere since it took the lock.
 */
bool pagemap_scan_should_yield(const struct pagemap_scan_cursor *cursor)
{
	if (cursor->addr == cursor->locked_at)
		return false;
	return need_resched() || mmap_lock_is_contended(cursor->req->mm) ||
	       fatal_signal_pending(current);
}

static int scan_maybe_yield(struct pagemap_scan_cursor *cursor)
{
	if (likely(!pagemap_scan_should_yield(cursor)))
		return 0;
	return pagemap_scan_stop(cursor, PAGEMAP_STOP_YIELD);
}

/**
 * pagemap_scan_gather - entries are about to be armed, and flushed later
 * @cursor: the cursor
 *
 * From here to pagemap_scan_flush() a CPU can write to an armed page through
 * its TLB, without a fault. That write belongs to what is reported now: the
 * flush comes before the caller sees the report. Others that rely on an entry
 * not being writable:
 *
 *  - do_wp_page() of another thread, which may copy the page: it flushes first
 *    if mm_tlb_flush_pending(), which it sees under the page-table lock that
 *    the entry was armed under.
 *  - write_protect_page() of KSM does the same.
 *  - copy_page_range() of fork() has the mmap_lock for writing, which is given
 *    up here only after the flush.
 *  - reclaim and migration flush what they unmap, writable or not.
 *
 * Context: before the page-table lock is taken, or under it.
 */
void pagemap_scan_gather(struct pagemap_scan_cursor *cursor)
{
	if (cursor->gathering)
		return;
	tlb_gather_mmu(&cursor->tlb, cursor->req->mm);
	cursor->gathering = true;
}

/**
 * pagemap_scan_flush - flush what was armed
 * @cursor: the cursor
 *
 * Context: the mmap_lock is held; not under a page-table lock.
 */
void pagemap_scan_flush(struct pagemap_scan_cursor *cursor)
{
	if (!cursor->gathering)
		return;
	tlb_finish_mmu(&cursor->tlb);
	cursor->gathering = false;
}

/**
 * pagemap_scan_notify - announce that entries from the cursor on will be armed
 * @cursor: the cursor
 * @end: where the page table ends, or the huge page
 *
 * Notifiers hear of no more than that: not of what comes before the first entry
 * to arm, and not of page tables without one.
 *
 * Context: may sleep; no page-table lock is held.
 */
void pagemap_scan_notify(struct pagemap_scan_cursor *cursor, unsigned long end)
{
	mmu_notifier_range_init(&cursor->notifier, MMU_NOTIFY_PROTECTION_VMA, 0,
				cursor->class.vma, cursor->req->mm,
				cursor->addr, end);
	mmu_notifier_invalidate_range_start(&cursor->notifier);
	cursor->notified = true;
}

/**
 * pagemap_scan_end_notify - the page table is left
 * @cursor: the cursor
 *
 * Context: may sleep; no page-table lock is held.
 */
void pagemap_scan_end_notify(struct pagemap_scan_cursor *cursor)
{
	if (!cursor->notified)
		return;
	mmu_notifier_invalidate_range_end(&cursor->notifier);
	cursor->notified = false;
}

/**
 * pagemap_scan_arm_range - arm pages that have no page table, or a huge one
 * @cursor: the cursor, at the first page
 * @nr: how many pages
 *
 * Allocates page tables, and splits what is huge. If that fails, all of the
 * pages count as written.
 *
 * Context: no page-table lock is held.
 * Return: 0, or PAGEMAP_WALK_STOP.
 */
int pagemap_scan_arm_range(struct pagemap_scan_cursor *cursor, unsigned long nr)
{
	struct vm_area_struct *vma = cursor->class.vma;
	const unsigned long len = nr << PAGE_SHIFT;
	int err;

	/*
	 * This flushes and notifies by itself. Two gathers at a time would
	 * flush everything.
	 */
	pagemap_scan_flush(cursor);
	pagemap_scan_end_notify(cursor);

	err = uffd_wp_range(vma->vm_mm, vma, cursor->addr, len, true);
	if (!err)
		return 0;
	uffd_wp_range(vma->vm_mm, vma, cursor->addr, len, false);
	return pagemap_scan_fail(cursor, err);
}

/*
 * Nothing is there, from the cursor to end. What is armed needs page tables;
 * they are made one at a time, so that a hole of any size is no reason to keep
 * the mmap_lock.
 */
static int scan_hole(struct pagemap_scan_cursor *cursor, unsigned long end)
{
	const u64 categories = cursor->class.empty;
	const bool arms = pagemap_scan_arms(cursor, categories);
	int err;

	if (!pagemap_filter_match(&cursor->req->filter, categories)) {
		cursor->addr = end;
		return 0;
	}

	while (cursor->addr < end) {
		unsigned long next = arms ? pmd_addr_end(cursor->addr, end) : end;
		unsigned long nr = (next - cursor->addr) >> PAGE_SHIFT;
		unsigned long fit = pagemap_scan_reserve(cursor, nr, categories);

		if (fit && arms) {
			err = pagemap_scan_arm_range(cursor, fit);
			if (err)
				return err;
		}
		err = pagemap_scan_record(cursor, nr, fit, categories);
		if (!err)
			err = scan_maybe_yield(cursor);
		if (err)
			return err;
	}
	return 0;
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* One huge page, or part of it. Its lock is held, and dropped. */
static int scan_huge_pmd(struct pagemap_scan_cursor *cursor, pmd_t *pmd,
			 unsigned long end, spinlock_t *ptl)
	__releases(ptl)
{
	struct vm_area_struct *vma = cursor->class.vma;
	const u64 categories = pagemap_pmd_categories(&cursor->class, *pmd);
	unsigned long nr = (end - cursor->addr) >> PAGE_SHIFT;
	unsigned long fit;
	int err;

	if (!pagemap_filter_match(&cursor->req->filter, categories)) {
		spin_unlock(ptl);
		cursor->addr = end;
		return 0;
	}

	fit = pagemap_scan_reserve(cursor, nr, categories);
	if (!fit || !pagemap_scan_arms(cursor, categories)) {
		spin_unlock(ptl);
		return pagemap_scan_record(cursor, nr, fit, categories);
	}
	if (pmd_present(*pmd) && !is_huge_zero_pmd(*pmd) &&
	    pagemap_scan_must_drain(cursor, pmd_page(*pmd))) {
		spin_unlock(ptl);
		return pagemap_scan_stop(cursor, PAGEMAP_STOP_DRAIN);
	}

	/*
	 * A file's huge page is armed by small pages, as is a part of any huge
	 * page. What is written before that belongs to what is reported.
	 */
	if (!vma_is_anonymous(vma) || fit < HPAGE_PMD_NR) {
		spin_unlock(ptl);
		err = pagemap_scan_arm_range(cursor, fit);
		return err ?: pagemap_scan_record(cursor, nr, fit, categories);
	}

	if (pagemap_scan_must_notify(cursor)) {
		spin_unlock(ptl);
		return PAGEMAP_TABLE_NOTIFY;
	}

	pagemap_scan_gather(cursor);
	tlb_change_page_size(&cursor->tlb, HPAGE_PMD_SIZE);
	if (uffd_wp_async_arm_pmd(vma, cursor->addr, pmd))
		tlb_flush_pmd_range(&cursor->tlb, cursor->addr, HPAGE_PMD_SIZE);
	spin_unlock(ptl);
	return pagemap_scan_record(cursor, nr, fit, categories);
}
#else
static int scan_huge_pmd(struct pagemap_scan_cursor *cursor, pmd_t *pmd,
			 unsigned long end, spinlock_t *ptl)
	__releases(ptl)
{
	__release(ptl);	/* never taken */
	return 0;
}
#endif /* CONFIG_TRANSPARENT_HUGEPAGE */

static int scan_table(struct pagemap_scan_cursor *cursor, pmd_t *pmd,
		      unsigned long end)
{
	spinlock_t *ptl;

	if (cursor->addr == end)
		return 0;
	ptl = pmd_trans_huge_lock(pmd, cursor->class.vma);
	if (ptl) {
		__acquire(ptl);	/* for sparse: it took the lock */
		return scan_huge_pmd(cursor, pmd, end, ptl);
	}
	if (pmd_none(*pmd))
		return scan_hole(cursor, end);
	/* A huge page came or went since: never pass over it */
	if (pmd_trans_unstable(pmd))
		return PAGEMAP_TABLE_CHANGED;
	return pagemap_scan_ptes(cursor, pmd, end);
}

static int scan_pmd_entry(pmd_t *pmd, unsigned long addr, unsigned long end,
			  struct mm_walk *walk)
{
	struct pagemap_scan_cursor *cursor = walk->private;
	int ret;

	cursor->addr = addr;
	do {
		ret = scan_table(cursor, pmd, end);
		if (ret == PAGEMAP_TABLE_NOTIFY)
			pagemap_scan_notify(cursor, end);
		else
			pagemap_scan_end_notify(cursor);
	} while (ret > 0);

	return ret ?: scan_maybe_yield(cursor);
}

static int scan_pte_hole(unsigned long addr, unsigned long end, int depth,
			 struct mm_walk *walk)
{
	struct pagemap_scan_cursor *cursor = walk->private;

	cursor->addr = addr;
	if (!walk->vma) {
		cursor->addr = end;
		return 0;
	}
	return scan_hole(cursor, end) ?: scan_maybe_yield(cursor);
}

/* Enter a VMA: 0 to walk it, 1 to pass it over */
static int scan_test_walk(unsigned long start, unsigned long end,
			  struct mm_walk *walk)
{
	struct pagemap_scan_cursor *cursor = walk->private;
	const struct pagemap_scan_request *req = cursor->req;
	struct vm_area_struct *vma = walk->vma;
	struct pagemap_class class;

	cursor->addr = start;
	if (pagemap_scan_should_yield(cursor))
		return pagemap_scan_stop(cursor, PAGEMAP_STOP_YIELD);

	if (!userfaultfd_wp_async(vma)) {
		if (req->check)
			return pagemap_scan_fail(cursor, -EPERM);
		if (req->arm)
			return 1;
	}
	/* The entries are a driver's, and there need not be a page to them */
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
		return 1;

	class = pagemap_class_of(vma, req->wants);
	if (!pagemap_same_class(&class, &cursor->class))
		cursor->lesson = PAGEMAP_LESSON_NONE;
	cursor->class = class;
	if (!pagemap_filter_may_match(&req->filter, PAGE_IS_WPALLOWED,
				      cursor->class.all & PAGE_IS_WPALLOWED))
		return 1;

	if (is_vm_hugetlb_page(vma))
		return pagemap_scan_hugetlb(cursor, end) ?: 1;
	return 0;
}

static const struct mm_walk_ops pagemap_scan_ops = {
	.test_walk = scan_test_walk,
	.pmd_entry = scan_pmd_entry,
	.pte_hole = scan_pte_hole,
};

/**
 * pagemap_scan_walk - scan from the cursor on
 * @cursor: the cursor; comes back with the reason and the place where it
 *	stopped, and what it found
 *
 * What was armed is flushed when this returns.
 *
 * Context: the mmap_lock is held for reading.
 */
void pagemap_scan_walk(struct pagemap_scan_cursor *cursor)
{
	const struct pagemap_scan_request *req = cursor->req;

	mmap_assert_locked(req->mm);

	cursor->locked_at = cursor->addr;
	if (cursor->addr == req->end ||
	    !walk_page_range(req->mm, cursor->addr, req->end, &pagemap_scan_ops,
			     cursor)) {
		cursor->addr = req->end;
		cursor->stop = PAGEMAP_STOP_DONE;
	}
	pagemap_scan_flush(cursor);
}
