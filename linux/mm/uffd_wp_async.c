// SPDX-License-Identifier: GPL-2.0
/*
 * userfaultfd write protection that the kernel resolves by itself
 *
 * See include/linux/uffd_wp_async.h for the invariant. What is here arms and
 * resolves one entry; mm/mprotect.c and mm/pagemap_scan/ walk the ranges.
 */
#include <linux/bitmap.h>
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/swapops.h>
#include <linux/uffd_wp_async.h>
#include <linux/userfaultfd_k.h>

#include <asm/pgalloc.h>
#include <asm/tlbflush.h>

#include "uffd_wp_writers.h"

/**
 * uffd_wp_async_can_track - may the VMA be registered for write tracking alone?
 * @vma: the VMA
 * @vm_flags: the flags that registration would give it
 *
 * Any memory will do whose entries only the mm changes. Drivers put entries of
 * their own into special mappings, and DAX takes a marker for an entry that it
 * must not touch, so that the fault would repeat forever.
 *
 * Context: the mmap_lock is held.
 * Return: true if so; false also if @vm_flags ask for more than that.
 */
bool uffd_wp_async_can_track(struct vm_area_struct *vma, unsigned long vm_flags)
{
	if ((vm_flags & __VM_UFFD_FLAGS) != (VM_UFFD_WP | VM_UFFD_WP_ASYNC))
		return false;
	if (vma_is_dax(vma))
		return false;
	return is_vm_hugetlb_page(vma) || !(vma->vm_flags & VM_SPECIAL);
}

/* The page of an entry that is present, or of a migration; else NULL */
static struct page *pte_mapped_page(struct vm_area_struct *vma,
				    unsigned long addr, pte_t pte)
{
	swp_entry_t entry;

	if (pte_present(pte))
		return vm_normal_page(vma, addr, pte);
	entry = pte_to_swp_entry(pte);
	return is_migration_entry(entry) ? pfn_swap_entry_to_page(entry) : NULL;
}

/*
 * A writable migration entry would come back as a writable page, and through a
 * writable device entry the device writes. The inverse of this is the write
 * fault that comes after.
 */
static swp_entry_t uffd_wp_downgrade(swp_entry_t entry)
{
	const pgoff_t offset = swp_offset(entry);

	if (is_writable_migration_entry(entry))
		return PageAnon(pfn_swap_entry_to_page(entry)) ?
		       make_readable_exclusive_migration_entry(offset) :
		       make_readable_migration_entry(offset);
	if (is_writable_device_private_entry(entry))
		return make_readable_device_private_entry(offset);
	if (is_writable_device_exclusive_entry(entry))
		return make_readable_device_exclusive_entry(offset);
	return entry;
}

static pte_t uffd_wp_arm_swap_pte(pte_t pte)
{
	swp_entry_t old = pte_to_swp_entry(pte), new = uffd_wp_downgrade(old);
	pte_t armed = pte;

	if (new.val != old.val) {
		armed = swp_entry_to_pte(new);
		if (pte_swp_soft_dirty(pte))
			armed = pte_swp_mksoft_dirty(armed);
	}
	return pte_swp_mkuffd_wp(armed);
}

static void uffd_wp_unarm_pte(struct vm_area_struct *vma, unsigned long addr,
			      pte_t *ptep)
{
	pte_t old;

	if (is_pte_marker(*ptep)) {
		pte_clear(vma->vm_mm, addr, ptep);
		return;
	}
	if (!pte_present(*ptep)) {
		set_pte_at(vma->vm_mm, addr, ptep, pte_swp_clear_uffd_wp(*ptep));
		return;
	}
	old = ptep_modify_prot_start(vma, addr, ptep);
	ptep_modify_prot_commit(vma, addr, ptep, old, pte_clear_uffd_wp(old));
}

static __always_inline bool uffd_wp_arm_pte(struct vm_area_struct *vma,
					    unsigned long addr, pte_t *ptep)
{
	pte_t pte = *ptep;

	if (pte_present(pte)) {
		if (!pte_uffd_wp(pte))
			return pte_write(uffd_wp_async_arm_present(vma, addr,
								   ptep));
	} else if (pte_none(pte)) {
		set_pte_at(vma->vm_mm, addr, ptep,
			   make_pte_marker(PTE_MARKER_UFFD_WP));
	} else if (!pte_swp_uffd_wp_any(pte)) {
		set_pte_at(vma->vm_mm, addr, ptep, uffd_wp_arm_swap_pte(pte));
	}
	return false;
}

static bool pte_is_armed(pte_t pte)
{
	return pte_present(pte) ? pte_uffd_wp(pte) : pte_swp_uffd_wp_any(pte);
}

/*
 * Let those pages count as written again that may be written without a fault.
 * All entries that map a large folio here are looked at in a row, so it is looked
 * at once: to count its mappings takes as long as it is large.
 */
static noinline void uffd_wp_unarm_ptes(struct vm_area_struct *vma,
					unsigned long addr, pte_t *ptep,
					unsigned long nr,
					const unsigned long *armed)
{
	struct folio *last = NULL;
	bool last_stays = false;
	unsigned long i;

	/* Not before others can see that the entries are armed */
	arch_flush_lazy_mmu_mode();
	for_each_set_bit(i, armed, nr) {
		const unsigned long at = addr + i * PAGE_SIZE;
		struct page *page;
		bool stays = false;

		if (!pte_is_armed(ptep[i]))
			continue;
		page = pte_mapped_page(vma, at, ptep[i]);
		if (page && page_folio(page) == last) {
			stays = last_stays;
		} else if (page) {
			stays = __uffd_wp_page_must_stay(vma, page);
			last = page_folio(page);
			last_stays = stays;
		} else if (is_pte_marker(ptep[i])) {
			stays = uffd_wp_empty_must_stay(vma, at);
		} else if (!pte_present(ptep[i])) {
			stays = uffd_wp_swap_must_stay(vma, pte_to_swp_entry(ptep[i]));
		}
		if (stays)
			uffd_wp_unarm_pte(vma, at, ptep + i);
	}
}

/* What was armed before is left alone, whoever may have got the page since. */
static noinline bool uffd_wp_arm_ptes_carefully(struct vm_area_struct *vma,
						unsigned long addr, pte_t *ptep,
						unsigned long nr)
{
	DECLARE_BITMAP(armed, PTRS_PER_PTE);
	bool flush = false;
	unsigned long i;

	bitmap_zero(armed, PTRS_PER_PTE);
	for (i = 0; i < nr; i++) {
		if (pte_is_armed(ptep[i]))
			continue;
		__set_bit(i, armed);
		flush |= uffd_wp_arm_pte(vma, addr + i * PAGE_SIZE, ptep + i);
	}
	uffd_wp_unarm_ptes(vma, addr, ptep, nr, armed);

	return flush;
}

/*
 * See uffd_wp_async_armed(). There is no telling now what was armed before, so
 * that may count as written, too.
 */
void __uffd_wp_async_armed(struct vm_area_struct *vma, unsigned long addr,
			   pte_t *ptep, unsigned long nr)
{
	DECLARE_BITMAP(armed, PTRS_PER_PTE);

	bitmap_fill(armed, PTRS_PER_PTE);
	uffd_wp_unarm_ptes(vma, addr, ptep, nr, armed);
}

/**
 * uffd_wp_async_arm_ptes - arm the entries of pages in a row
 * @vma: an asynchronous VMA
 * @addr: address of the first page
 * @ptep: its entry; entries may be empty, swapped, or armed already
 * @nr: how many pages; they do not leave the page table
 *
 * Pages that may be written without a fault go on counting as written: see
 * uffd_wp_async_with_care(). Dirty and accessed bits that the hardware sets meanwhile
 * are kept.
 *
 * Context: the page-table lock is held. For a flush that is put off,
 * inc_tlb_flush_pending() was called: see do_wp_page().
 * Return: true if a TLB may still let somebody write to one of the pages.
 */
bool uffd_wp_async_arm_ptes(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep, unsigned long nr)
{
	bool flush = false;
	unsigned long i;

	if (unlikely(uffd_wp_async_with_care(vma)))
		return uffd_wp_arm_ptes_carefully(vma, addr, ptep, nr);

	for (i = 0; i < nr; i++)
		flush |= uffd_wp_arm_pte(vma, addr + i * PAGE_SIZE, ptep + i);

	uffd_wp_async_armed(vma, addr, ptep, nr);

	return flush;
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
static pmd_t uffd_wp_arm_swap_pmd(pmd_t pmd)
{
	swp_entry_t old = pmd_to_swp_entry(pmd), new = uffd_wp_downgrade(old);
	pmd_t armed = pmd;

	if (new.val != old.val) {
		armed = swp_entry_to_pmd(new);
		if (pmd_swp_soft_dirty(pmd))
			armed = pmd_swp_mksoft_dirty(armed);
	}
	return pmd_swp_mkuffd_wp(armed);
}

/**
 * uffd_wp_async_arm_pmd - arm a transparent huge page as a whole
 * @vma: an asynchronous VMA of anonymous memory: see
 *	uffd_wp_async_map_by_ptes() for the others
 * @addr: address of the huge page
 * @pmdp: its entry, present or of a migration
 *
 * Context: as for uffd_wp_async_arm_ptes().
 * Return: true if a TLB may still let somebody write to it.
 */
bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma, unsigned long addr,
			   pmd_t *pmdp)
{
	pmd_t old = *pmdp, new;

	if (!pmd_present(old)) {
		swp_entry_t entry = pmd_to_swp_entry(old);

		if (!uffd_wp_page_must_stay(vma, pfn_swap_entry_to_page(entry)))
			set_pmd_at(vma->vm_mm, addr, pmdp,
				   uffd_wp_arm_swap_pmd(old));
		return false;
	}
	if (pmd_uffd_wp(old))
		return false;

	old = pmdp_invalidate_ad(vma, addr, pmdp);
	if (!is_huge_zero_pmd(old) &&
	    uffd_wp_page_must_stay(vma, pmd_page(old))) {
		set_pmd_at(vma->vm_mm, addr, pmdp, old);
		return false;
	}
	new = pmd_mkuffd_wp(pmd_wrprotect(old));
	set_pmd_at(vma->vm_mm, addr, pmdp, new);

	return pmd_write(old);
}

/* The page is locked, for it to be mapped in more than one way at a time. */
static void map_by_ptes(struct vm_area_struct *vma, unsigned long addr,
			pmd_t *pmdp, pgtable_t table)
{
	/* Not empty for a moment: somebody might take it for a hole */
	const pmd_t old = pmdp_invalidate(vma, addr, pmdp);
	struct page *page = pmd_page(old);
	struct mm_struct *mm = vma->vm_mm;
	unsigned long i;
	pmd_t new;
	pte_t *ptep;

	if (pmd_dirty(old))
		set_page_dirty(page);
	if (pmd_young(old))
		SetPageReferenced(page);
	page_ref_add(page, HPAGE_PMD_NR - 1);

	pmd_populate(mm, &new, table);
	ptep = pte_offset_map(&new, addr);
	for (i = 0; i < HPAGE_PMD_NR; i++) {
		pte_t pte = mk_pte(page + i, vma->vm_page_prot);

		pte = pmd_young(old) ? pte_mkyoung(pte) : pte_mkold(pte);
		pte = pmd_write(old) ? pte_mkwrite(pte) : pte_wrprotect(pte);
		if (pmd_soft_dirty(old))
			pte = pte_mksoft_dirty(pte);
		page_add_file_rmap(page + i, vma, false);
		set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i, pte);
	}
	pte_unmap(ptep);
	page_remove_rmap(page, vma, true);

	mm_inc_nr_ptes(mm);
	smp_wmb();	/* the entries before the table, as pmd_install() does */
	pmd_populate(mm, pmdp, table);
}

/**
 * uffd_wp_async_map_by_ptes - map a file's huge page by small pages
 * @vma: an asynchronous VMA that is not anonymous
 * @pmdp: an entry of it, of whatever it be now
 * @addr: an address that it is for
 *
 * A file's huge page can be armed by small pages only: it has no page table put
 * by that could take its bits when it is split, which happens to it elsewhere
 * by unmapping it. Arming must not do that, for the pages have to stay present,
 * and those that are pinned have to be seen.
 *
 * Context: the mmap_lock is held, and mmu notifiers know; may sleep.
 * Return: 0, and the entry is not huge unless it changed again; or -ENOMEM.
 */
int uffd_wp_async_map_by_ptes(struct vm_area_struct *vma, pmd_t *pmdp,
			      unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	pgtable_t table = pte_alloc_one(mm);
	struct page *page = NULL;
	spinlock_t *ptl;

	if (!table)
		return -ENOMEM;

	for (ptl = pmd_lock(mm, pmdp); ; spin_lock(ptl)) {
		if (is_pmd_migration_entry(*pmdp)) {
			spin_unlock(ptl);
			pmd_migration_entry_wait(mm, pmdp);
			continue;
		}
		if (!pmd_trans_huge(*pmdp))
			break;
		if (pmd_page(*pmdp) == page) {
			map_by_ptes(vma, addr & HPAGE_PMD_MASK, pmdp, table);
			table = NULL;
			break;
		}
		if (page) {
			unlock_page(page);
			put_page(page);
		}
		page = pmd_page(*pmdp);
		get_page(page);
		spin_unlock(ptl);
		lock_page(page);
	}
	spin_unlock(ptl);

	if (page) {
		unlock_page(page);
		put_page(page);
	}
	if (table)
		pte_free(mm, table);
	return 0;
}
#else
bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma, unsigned long addr,
			   pmd_t *pmdp)
{
	return false;
}

int uffd_wp_async_map_by_ptes(struct vm_area_struct *vma, pmd_t *pmdp,
			      unsigned long addr)
{
	return 0;
}
#endif /* CONFIG_TRANSPARENT_HUGEPAGE */

#ifdef CONFIG_HUGETLB_PAGE
/**
 * uffd_wp_async_arm_huge - arm the entry of a hugetlb page
 * @vma: an asynchronous hugetlb VMA
 * @addr: address of the hugetlb page
 * @ptep: its entry, whatever it be
 *
 * Context: as for uffd_wp_async_arm_ptes(); the page table is not shared, which
 * registration has seen to.
 * Return: true if a TLB may still let somebody write to it.
 */
bool uffd_wp_async_arm_huge(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep)
{
	pte_t old = huge_ptep_get(ptep), new;

	if (huge_pte_none(old)) {
		if (!uffd_wp_empty_must_stay(vma, addr))
			set_huge_pte_at(vma->vm_mm, addr, ptep,
					make_pte_marker(PTE_MARKER_UFFD_WP));
		return false;
	}

	if (!pte_present(old)) {
		swp_entry_t entry = pte_to_swp_entry(old);

		/* A poisoned page never carries the bit: nobody can write it */
		if (is_migration_entry(entry) &&
		    !uffd_wp_page_must_stay(vma, pfn_swap_entry_to_page(entry)))
			set_huge_pte_at(vma->vm_mm, addr, ptep,
					uffd_wp_arm_swap_pte(old));
		return false;
	}
	if (huge_pte_uffd_wp(old))
		return false;

	old = huge_ptep_modify_prot_start(vma, addr, ptep);
	if (uffd_wp_page_must_stay(vma, pte_page(old))) {
		huge_ptep_modify_prot_commit(vma, addr, ptep, old, old);
		return false;
	}
	new = huge_pte_mkuffd_wp(huge_pte_wrprotect(old));
	huge_ptep_modify_prot_commit(vma, addr, ptep, old, new);

	return huge_pte_write(old);
}

/* See uffd_wp_async_resolve_huge() */
pte_t __uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
				   unsigned long addr, pte_t *ptep)
{
	pte_t old = huge_ptep_modify_prot_start(vma, addr, ptep);
	pte_t new = huge_pte_clear_uffd_wp(old);

	huge_ptep_modify_prot_commit(vma, addr, ptep, old, new);
	return new;
}

/* What this leaves counts as written */
static void unarm_huge(struct vm_area_struct *vma, unsigned long addr,
		       pte_t *ptep, unsigned long size)
{
	pte_t pte = huge_ptep_get(ptep);

	if (pte_present(pte)) {
		if (huge_pte_uffd_wp(pte))
			__uffd_wp_async_resolve_huge(vma, addr, ptep);
	} else if (pte_marker_uffd_wp(pte)) {
		huge_pte_clear(vma->vm_mm, addr, ptep, size);
	} else if (is_hugetlb_entry_migration(pte) && pte_swp_uffd_wp(pte)) {
		set_huge_pte_at(vma->vm_mm, addr, ptep, pte_swp_clear_uffd_wp(pte));
	}
}

/* The tables stay: a VMA leaves the rmap before it frees them */
static void unarm_huge_range(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long end)
{
	struct hstate *h = hstate_vma(vma);
	unsigned long size = huge_page_size(h);
	spinlock_t *ptl;
	pte_t *ptep;

	for (; addr < end; addr += size) {
		cond_resched();
		ptep = huge_pte_offset(vma->vm_mm, addr, size);
		if (!ptep)
			continue;
		ptl = huge_pte_lock(h, vma->vm_mm, ptep);
		unarm_huge(vma, addr, ptep, size);
		spin_unlock(ptl);
	}
}

/**
 * uffd_wp_async_hole_huge - a range of a hugetlb file has got another content
 * @mapping: the file
 * @first: first page of the range, in units of PAGE_SIZE
 * @last: its last page
 *
 * Whoever makes a hole unmaps the pages, and then takes them from the file. What
 * is empty in between can be armed, and what hugetlb_vmdelete_list() has passed
 * over, because a fault held the lock of the VMA, can have been armed before. The
 * marker would go on to stand for the old content, and would pass that on to a
 * page that a read brings. So all of the range is to count as written; a page that
 * was armed by right a moment ago is reported once more.
 *
 * Page tables of a VMA that can have markers are not shared.
 *
 * Context: after the pages were removed; may sleep. Takes the i_mmap_rwsem.
 */
void uffd_wp_async_hole_huge(struct address_space *mapping, pgoff_t first,
			     pgoff_t last)
{
	struct vm_area_struct *vma;

	i_mmap_lock_write(mapping);
	vma_interval_tree_foreach(vma, &mapping->i_mmap, first, last) {
		pgoff_t from = max(first, vma->vm_pgoff);
		pgoff_t to = min(last, vma->vm_pgoff + vma_pages(vma) - 1);

		if (!userfaultfd_wp_async(vma))
			continue;
		from -= vma->vm_pgoff;
		to -= vma->vm_pgoff;
		unarm_huge_range(vma, vma->vm_start + (from << PAGE_SHIFT),
				 vma->vm_start + ((to + 1) << PAGE_SHIFT));
	}
	i_mmap_unlock_write(mapping);
}
#else
bool uffd_wp_async_arm_huge(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep)
{
	return false;
}

pte_t __uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
				   unsigned long addr, pte_t *ptep)
{
	return *ptep;
}
#endif /* CONFIG_HUGETLB_PAGE */

/*
 * See uffd_wp_async_resolve_pte(). The entry was not writable, so there is
 * nothing in a TLB to flush, and no dirty bit for the hardware to set meanwhile.
 * The accessed bit, which it may set, is about to be set by the fault.
 */
bool __uffd_wp_async_resolve_pte(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	pte_t pte = pte_clear_uffd_wp(*vmf->pte);
	struct page *page = NULL;
	bool done;

	lockdep_assert_held(vmf->ptl);

	if (vma->vm_flags & VM_WRITE)
		page = vm_normal_page(vma, vmf->address, pte);
	done = page && PageAnon(page) && PageAnonExclusive(page);
	if (done)
		pte = pte_mkwrite(pte_mkdirty(pte_mkyoung(pte)));

	vmf->orig_pte = pte;
	set_pte_at(vma->vm_mm, vmf->address, vmf->pte, pte);
	if (done)
		update_mmu_cache(vma, vmf->address, vmf->pte);
	return done;
}

/* See uffd_wp_async_zap_drops() */
bool __uffd_wp_async_zap_drops(struct vm_area_struct *vma, unsigned long addr,
			       pte_t pte)
{
	struct page *page;
	swp_entry_t entry;

	if (pte_present(pte)) {
		page = is_vm_hugetlb_page(vma) ? pte_page(pte) :
						 vm_normal_page(vma, addr, pte);
		/* No page: UFFDIO_ZEROPAGE hid the file behind the zero page */
		return !page || PageAnon(page);
	}

	if (!is_swap_pte(pte))
		return false;
	entry = pte_to_swp_entry(pte);
	if (is_pte_marker_entry(entry))
		return false;
	/* Anything else but a file's page in migration was a private copy */
	return !is_migration_entry(entry) ||
	       PageAnon(pfn_swap_entry_to_page(entry));
}
