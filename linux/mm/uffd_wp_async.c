// SPDX-License-Identifier: GPL-2.0
/*
 * userfaultfd write protection that the kernel resolves by itself
 *
 * See include/linux/uffd_wp_async.h for the invariant. What is here arms and
 * resolves one entry; mm/mprotect.c and mm/pagemap_scan/ walk the ranges.
 */
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/swapops.h>
#include <linux/uffd_wp_async.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlbflush.h>

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

/* See uffd_wp_async_must_stay() */
bool __uffd_wp_async_must_stay(struct vm_area_struct *vma, struct page *page)
{
	return page_maybe_dma_pinned(page);
}

/* See uffd_wp_async_must_stay_pte() */
bool __uffd_wp_async_must_stay_pte(struct vm_area_struct *vma,
				   unsigned long addr, pte_t pte)
{
	struct page *page = vm_normal_page(vma, addr, pte);

	return page && __uffd_wp_async_must_stay(vma, page);
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

static bool uffd_wp_arm_present_pte(struct vm_area_struct *vma,
				    unsigned long addr, pte_t *ptep)
{
	pte_t old = ptep_modify_prot_start(vma, addr, ptep);
	pte_t new = pte_mkuffd_wp(pte_wrprotect(old));

	if (uffd_wp_async_must_stay_pte(vma, addr, old))
		new = old;
	ptep_modify_prot_commit(vma, addr, ptep, old, new);

	return pte_write(old) && !pte_write(new);
}

/**
 * uffd_wp_async_arm_ptes - arm the entries of pages in a row
 * @vma: an asynchronous VMA
 * @addr: address of the first page
 * @ptep: its entry; entries may be empty, swapped, or armed already
 * @nr: how many pages; they do not leave the page table
 *
 * Pages that a device may be writing to stay as they are: see
 * uffd_wp_async_must_stay(). Dirty and accessed bits that the hardware sets
 * meanwhile are kept.
 *
 * Context: the page-table lock is held. For a flush that is put off,
 * inc_tlb_flush_pending() was called: see do_wp_page().
 * Return: true if a TLB may still let somebody write to one of the pages.
 */
bool uffd_wp_async_arm_ptes(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep, unsigned long nr)
{
	struct mm_struct *mm = vma->vm_mm;
	bool flush = false;

	for (; nr; nr--, ptep++, addr += PAGE_SIZE) {
		pte_t pte = *ptep;

		if (pte_present(pte)) {
			if (!pte_uffd_wp(pte))
				flush |= uffd_wp_arm_present_pte(vma, addr, ptep);
		} else if (pte_none(pte)) {
			set_pte_at(mm, addr, ptep,
				   make_pte_marker(PTE_MARKER_UFFD_WP));
		} else if (!pte_swp_uffd_wp_any(pte)) {
			set_pte_at(mm, addr, ptep, uffd_wp_arm_swap_pte(pte));
		}
	}

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
 * @vma: an asynchronous VMA of anonymous memory: the entry of a huge page of a
 *	file has no table behind it that could take the bits when it is split
 * @addr: address of the huge page
 * @pmdp: its entry, present or of a migration, not armed yet
 *
 * Context: as for uffd_wp_async_arm_ptes().
 * Return: true if a TLB may still let somebody write to it.
 */
bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma, unsigned long addr,
			   pmd_t *pmdp)
{
	pmd_t old = *pmdp, new;

	if (!pmd_present(old)) {
		set_pmd_at(vma->vm_mm, addr, pmdp, uffd_wp_arm_swap_pmd(old));
		return false;
	}

	old = pmdp_invalidate_ad(vma, addr, pmdp);
	if (!is_huge_zero_pmd(old) &&
	    uffd_wp_async_must_stay(vma, pmd_page(old))) {
		set_pmd_at(vma->vm_mm, addr, pmdp, old);
		return false;
	}
	new = pmd_mkuffd_wp(pmd_wrprotect(old));
	set_pmd_at(vma->vm_mm, addr, pmdp, new);

	return pmd_write(old);
}
#else
bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma, unsigned long addr,
			   pmd_t *pmdp)
{
	return false;
}
#endif /* CONFIG_TRANSPARENT_HUGEPAGE */

#ifdef CONFIG_HUGETLB_PAGE
/**
 * uffd_wp_async_arm_huge - arm the entry of a hugetlb page
 * @vma: an asynchronous hugetlb VMA
 * @addr: address of the hugetlb page
 * @ptep: its entry, not armed yet; it may be empty
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
		set_huge_pte_at(vma->vm_mm, addr, ptep,
				make_pte_marker(PTE_MARKER_UFFD_WP));
		return false;
	}

	if (!pte_present(old)) {
		/* A poisoned page never carries the bit: nobody can write it */
		if (!is_hwpoison_entry(pte_to_swp_entry(old)))
			set_huge_pte_at(vma->vm_mm, addr, ptep,
					uffd_wp_arm_swap_pte(old));
		return false;
	}

	old = huge_ptep_modify_prot_start(vma, addr, ptep);
	if (uffd_wp_async_must_stay(vma, pte_page(old))) {
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
 * See uffd_wp_async_resolve_pte(). The entry was not writable and is not yet,
 * so there is nothing in a TLB to flush, and no dirty bit for the hardware to
 * set meanwhile. The accessed bit, which it may set, is about to be set by the
 * fault.
 */
void __uffd_wp_async_resolve_pte(struct vm_fault *vmf)
{
	lockdep_assert_held(vmf->ptl);

	vmf->orig_pte = pte_clear_uffd_wp(*vmf->pte);
	set_pte_at(vmf->vma->vm_mm, vmf->address, vmf->pte, vmf->orig_pte);
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
