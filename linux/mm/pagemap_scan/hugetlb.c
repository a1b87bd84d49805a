// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN: the walk over hugetlb memory; see internal.h
 *
 * A hugetlb page is armed as a whole or not at all. So a request to arm that
 * covers a part of one is refused, and a limit that ends within one ends
 * before it.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/uffd_wp_async.h>

#include "internal.h"

/*
 * Arm the entry, whose lock is held. hugetlb_wp() copies a private page without
 * asking for a flush that is pending, so that one is not put off. Shared ones
 * are never copied.
 */
static void huge_arm(struct pagemap_scan_cursor *cursor, struct hstate *h,
		     unsigned long addr, pte_t *ptep)
{
	struct vm_area_struct *vma = cursor->class.vma;

	pagemap_scan_gather(cursor);
	tlb_change_page_size(&cursor->tlb, huge_page_size(h));
	if (!uffd_wp_async_arm_huge(vma, addr, ptep))
		return;
	if (vma->vm_flags & VM_MAYSHARE)
		tlb_remove_huge_tlb_entry(h, &cursor->tlb, ptep, addr);
	else
		flush_hugetlb_tlb_range(vma, addr, addr + huge_page_size(h));
}

/*
 * The page, or part of a page, from the cursor to end. With ptep, its lock is
 * held; without, there is no page table, and nothing in it.
 */
static int huge_scan_entry(struct pagemap_scan_cursor *cursor, struct hstate *h,
			   pte_t *ptep, unsigned long end)
{
	const struct pagemap_scan_request *req = cursor->req;
	const unsigned long nr = (end - cursor->addr) >> PAGE_SHIFT;
	u64 categories = cursor->class.empty;
	unsigned long fit;

	if (ptep)
		categories = pagemap_huge_categories(&cursor->class,
						     huge_ptep_get(ptep));
	if (!pagemap_filter_match(&req->filter, categories)) {
		cursor->addr = end;
		return 0;
	}

	fit = pagemap_scan_reserve(cursor, nr, categories);
	/* Who arms goes on at a page, even after one that is armed already */
	if (fit && fit < nr && req->arm && cursor->class.tracked)
		return pagemap_scan_stop(cursor, PAGEMAP_STOP_HUGETLB);
	if (!fit || !pagemap_scan_arms(cursor, categories))
		return pagemap_scan_record(cursor, nr, fit, categories);

	if (nr < pages_per_huge_page(h))
		return pagemap_scan_fail(cursor, -EINVAL);
	if (!ptep)
		return PAGEMAP_TABLE_MISSING;
	if (pagemap_scan_must_notify(cursor))
		return PAGEMAP_TABLE_NOTIFY;

	huge_arm(cursor, h, cursor->addr, ptep);
	return pagemap_scan_record(cursor, nr, fit, categories);
}

static int huge_scan_page(struct pagemap_scan_cursor *cursor, struct hstate *h,
			  unsigned long end)
{
	const unsigned long addr = cursor->addr & huge_page_mask(h);
	struct mm_struct *mm = cursor->req->mm;
	pte_t *ptep = huge_pte_offset(mm, addr, huge_page_size(h));
	spinlock_t *ptl;
	int ret;

	if (!ptep) {
		ret = huge_scan_entry(cursor, h, NULL, end);
		if (ret != PAGEMAP_TABLE_MISSING)
			return ret;
		ptep = huge_pte_alloc(mm, cursor->class.vma, addr,
				      huge_page_size(h));
		if (!ptep)
			return pagemap_scan_fail(cursor, -ENOMEM);
	}

	ptl = huge_pte_lock(h, mm, ptep);
	ret = huge_scan_entry(cursor, h, ptep, end);
	spin_unlock(ptl);
	return ret;
}

/**
 * pagemap_scan_hugetlb - scan hugetlb memory
 * @cursor: the cursor, in a hugetlb VMA
 * @end: address where to end, in the VMA
 *
 * The vma lock keeps a page table that is shared with other processes from
 * going away. Nothing is shared of private mappings, nor since registration of
 * tracked ones, whose lock is better left to hugetlb_vmdelete_list(): it passes
 * over a VMA whose lock it cannot have.
 *
 * Context: the mmap_lock is held for reading.
 * Return: 0, or PAGEMAP_WALK_STOP.
 */
int pagemap_scan_hugetlb(struct pagemap_scan_cursor *cursor, unsigned long end)
{
	struct vm_area_struct *vma = cursor->class.vma;
	const bool lock = (vma->vm_flags & VM_MAYSHARE) && !cursor->class.tracked;
	struct hstate *h = hstate_vma(vma);
	int ret = 0;

	if (lock)
		hugetlb_vma_lock_read(vma);
	while (!ret && cursor->addr < end) {
		unsigned long next = (cursor->addr & huge_page_mask(h)) +
				     huge_page_size(h);

		next = min(next, end);
		do {
			ret = huge_scan_page(cursor, h, next);
			if (ret == PAGEMAP_TABLE_NOTIFY)
				pagemap_scan_notify(cursor, next);
			else
				pagemap_scan_end_notify(cursor);
		} while (ret > 0);

		if (!ret && pagemap_scan_should_yield(cursor))
			ret = pagemap_scan_stop(cursor, PAGEMAP_STOP_YIELD);
	}
	if (lock)
		hugetlb_vma_unlock_read(vma);
	return ret;
}
