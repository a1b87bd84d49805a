// SPDX-License-Identifier: GPL-2.0
/*
 * userfaultfd write protection: who writes without a fault; see
 * mm/uffd_wp_writers.h
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/uffd_wp_async.h>

#include "swap.h"
#include "uffd_wp_writers.h"

/* The references that mappings and caches hold */
static int folio_known_refs(struct folio *folio)
{
	const int nr = folio_test_hugetlb(folio) ? 1 : folio_nr_pages(folio);
	int refs = folio_mapcount(folio);

	if (folio_test_swapcache(folio))
		refs += nr;
	if (!folio_test_anon(folio))
		refs += (folio->mapping ? nr : 0) + folio_test_private(folio);
	return refs;
}

/* The reference of a folio that is on its way to an LRU list, or off it */
static int folio_lru_refs(struct folio *folio)
{
	return !folio_test_hugetlb(folio) && !folio_test_lru(folio) &&
	       !is_zone_device_page(&folio->page);
}

/*
 * Does anybody hold a reference that is not known, but for those that are the
 * caller's own? In doubt, yes.
 *
 * All of these take their reference before they can be counted, and drop it
 * after: what counts the same before and after was held all the time between.
 * Isolation from the LRU list is no exception: who clears the flag first has a
 * reference to do so by, or a mapping, under the page-table lock.
 */
static bool folio_has_unknown_refs(struct folio *folio, int own)
{
	const int known = folio_known_refs(folio);
	const int lru = folio_lru_refs(folio);
	int refs;

	/* Somebody maps it in another way, and counts some mappings twice */
	if (folio_test_large(folio) && !folio_test_hugetlb(folio) &&
	    folio_test_locked(folio))
		return true;

	smp_rmb();	/* the references between the counts: see above */
	refs = folio_ref_count(folio);
	smp_rmb();	/* likewise */

	return refs > own + known + lru || known != folio_known_refs(folio) ||
	       lru > folio_lru_refs(folio);
}

static bool folio_may_be_written(struct folio *folio, int own)
{
	if (likely(!folio_has_unknown_refs(folio, own)))
		return false;
	/* This CPU's batches of folios on their way between LRU lists */
	lru_add_drain();
	return folio_has_unknown_refs(folio, own);
}

/* A folio that no entry maps, and that the caller has got by folio_get() */
static bool unmapped_may_be_written(struct folio *folio)
{
	bool ret = folio_may_be_written(folio, 1);

	folio_put(folio);
	return ret;
}

/* See uffd_wp_page_must_stay() */
bool __uffd_wp_page_must_stay(struct vm_area_struct *vma, struct page *page)
{
	/* Through a private mapping nobody has written to the file's page */
	if (!PageAnon(page) && !(vma->vm_flags & VM_SHARED))
		return false;
	if (PageKsm(page))
		return false;
	if (!test_bit(MMF_HAS_GOT_WRITE, &vma->vm_mm->flags))
		return page_maybe_dma_pinned(page);
	return folio_may_be_written(page_folio(page), 0);
}

/**
 * uffd_wp_swap_must_stay - is a page that is swapped out still being written?
 * @vma: an asynchronous VMA with uffd_wp_async_with_care()
 * @entry: its entry; any that is not present will do
 *
 * It was unmapped, waits in the swap cache for whoever writes it to be done, and
 * will be mapped from there. A pinned page is not unmapped.
 *
 * Context: the page-table lock is held, and the entry armed.
 * Return: true if it may be.
 */
bool uffd_wp_swap_must_stay(struct vm_area_struct *vma, swp_entry_t entry)
{
	struct folio *folio;

	if (non_swap_entry(entry) ||
	    !test_bit(MMF_HAS_GOT_WRITE, &vma->vm_mm->flags))
		return false;
	folio = filemap_get_folio(swap_address_space(entry), swp_offset(entry));
	return folio && unmapped_may_be_written(folio);
}

static struct page *shared_page(struct vm_area_struct *vma, unsigned long addr)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	const pgoff_t index = linear_page_index(vma, addr);

	/* linear_page_index() knows hugetlb, and so does its page cache */
	return is_vm_hugetlb_page(vma) ? find_get_page(mapping, index) :
					 find_get_incore_page(mapping, index);
}

/**
 * uffd_wp_empty_must_stay - is a page that is not mapped being written?
 * @vma: an asynchronous VMA
 * @addr: address of the page
 *
 * A page of shared memory that was unmapped is still in the page cache, or the
 * swap cache, and will be mapped from there.
 *
 * Context: the page-table lock is held, and the entry empty, or a marker.
 * Return: true if it may be.
 */
bool uffd_wp_empty_must_stay(struct vm_area_struct *vma, unsigned long addr)
{
	struct page *page;

	if (likely(!uffd_wp_async_with_care(vma)))
		return false;
	if (!(vma->vm_flags & VM_SHARED) || !vma->vm_file)
		return false;
	page = shared_page(vma, addr);
	return page && unmapped_may_be_written(page_folio(page));
}

/**
 * uffd_wp_async_drain - get the references of LRU batches out of the way
 * @mm: the mm that is to be armed
 *
 * See uffd_wp_async_wants_drain(). Does nothing if no reference matters.
 *
 * Context: may sleep, no locks held; waits for all CPUs.
 */
void uffd_wp_async_drain(struct mm_struct *mm)
{
	if (test_bit(MMF_HAS_GOT_WRITE, &mm->flags))
		lru_add_drain_all();
}
