/* SPDX-License-Identifier: GPL-2.0 */
/*
 * userfaultfd write protection that the kernel resolves by itself
 *
 * A VMA with VM_UFFD_WP_ASYNC tracks which of its pages were written. There is
 * one bit of state for each entry, and one invariant:
 *
 *	An entry with the uffd-wp bit, or the uffd-wp marker in its place, is
 *	not writable, and nobody has written through it since it got the bit.
 *	An entry without it counts as written.
 *
 * To arm an entry is to set the bit and take the write permission away; to
 * resolve it is to clear the bit, after which the fault goes on as it would
 * without userfaultfd. Both are done under the page-table lock. Neither sends
 * a message, waits or allocates.
 *
 * The flag is a copy of UFFD_FEATURE_WP_ASYNC of the context, which must not be
 * looked at from where only the rmap locks are held: it may be going away.
 */
#ifndef _LINUX_UFFD_WP_ASYNC_H
#define _LINUX_UFFD_WP_ASYNC_H

#include <linux/mm.h>
#include <linux/sched/coredump.h>

/**
 * userfaultfd_wp_async - does the kernel resolve the write-protect faults?
 * @vma: the VMA
 *
 * Context: any; stable under the mmap_lock.
 * Return: true if so.
 */
static inline bool userfaultfd_wp_async(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_UFFD_WP_ASYNC;
}

#ifdef CONFIG_PTE_MARKER_UFFD_WP

bool uffd_wp_async_can_track(struct vm_area_struct *vma, unsigned long vm_flags);

bool uffd_wp_async_arm_ptes(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep, unsigned long nr);
bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma, unsigned long addr,
			   pmd_t *pmdp);
int uffd_wp_async_map_by_ptes(struct vm_area_struct *vma, pmd_t *pmdp,
			      unsigned long addr);
bool uffd_wp_async_arm_huge(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep);

void uffd_wp_async_drain(struct mm_struct *mm);
bool __uffd_wp_page_must_stay(struct vm_area_struct *vma, struct page *page);
void __uffd_wp_async_armed(struct vm_area_struct *vma, unsigned long addr,
			   pte_t *ptep, unsigned long nr);
bool __uffd_wp_async_resolve_pte(struct vm_fault *vmf);
pte_t __uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
				   unsigned long addr, pte_t *ptep);

bool __uffd_wp_async_zap_drops(struct vm_area_struct *vma, unsigned long addr,
			       pte_t pte);
void uffd_wp_async_hole_huge(struct address_space *mapping, pgoff_t first,
			     pgoff_t last);

/**
 * uffd_wp_async_resolve_pte - let the writer of an armed page go on
 * @vmf: a write fault on a present entry; &vm_fault.orig_pte follows the entry
 *
 * Nothing happens to an entry that is not armed, or not asynchronously. A page
 * that only this mm has is made writable at once.
 *
 * Context: the page-table lock is held.
 * Return: true if the writer can go on now; false if there is more to the fault
 * than the write protection.
 */
static inline bool uffd_wp_async_resolve_pte(struct vm_fault *vmf)
{
	return userfaultfd_wp_async(vmf->vma) && pte_uffd_wp(*vmf->pte) &&
	       __uffd_wp_async_resolve_pte(vmf);
}

/**
 * uffd_wp_async_resolve_huge - the same for a present hugetlb entry
 * @vma: a hugetlb VMA
 * @addr: address of the hugetlb page
 * @ptep: its entry
 * @pte: the value of *@ptep
 *
 * Context: the page-table lock is held.
 * Return: the value of *@ptep now.
 */
static inline pte_t uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
					       unsigned long addr, pte_t *ptep,
					       pte_t pte)
{
	if (!userfaultfd_wp_async(vma) || !pte_uffd_wp(pte))
		return pte;
	return __uffd_wp_async_resolve_huge(vma, addr, ptep);
}

/**
 * uffd_wp_async_with_care - can there be pages that are written otherwise?
 * @vma: an asynchronous VMA
 *
 * Pages are written without a fault by devices that have pinned them
 * (FOLL_PIN), and by direct I/O and others that have a reference to them for
 * writing (FOLL_GET), which leaves no other trace on the page. There is nothing
 * to take away from them, so such a page has to go on counting as written.
 *
 * An mm that has never given out either kind is not asked. Both flags are set
 * before the reference is taken, and stay set. gup_fast takes the reference, and
 * then looks at the entry again; who arms changes the entry, and then looks at
 * the flags and the count. So one of the two sees the other.
 *
 * Context: after the entries in question were changed, or to be asked again then.
 * Return: true if pages of the mm were pinned, or got for writing, ever.
 */
static inline bool uffd_wp_async_with_care(struct vm_area_struct *vma)
{
	return READ_ONCE(vma->vm_mm->flags) & (BIT(MMF_HAS_PINNED) |
					       BIT(MMF_HAS_GOT_WRITE));
}

/**
 * uffd_wp_async_wants_drain - may uffd_wp_async_drain() let the page be armed?
 * @vma: an asynchronous VMA with uffd_wp_async_with_care()
 * @page: a page of it
 *
 * The batches in which CPUs put folios on the LRU lists hold references that
 * look like those of a writer, and can do so for long.
 *
 * Context: the page-table lock is held.
 * Return: true if it may. It need not: there may be a writer indeed.
 */
static inline bool uffd_wp_async_wants_drain(struct vm_area_struct *vma,
					     struct page *page)
{
	return test_bit(MMF_HAS_GOT_WRITE, &vma->vm_mm->flags) &&
	       __uffd_wp_page_must_stay(vma, page);
}

/**
 * uffd_wp_async_arm_present - arm the entry of a page
 * @vma: an asynchronous VMA without uffd_wp_async_with_care()
 * @addr: address of the page
 * @ptep: its entry, present and not armed
 *
 * Who calls this has to call uffd_wp_async_armed().
 *
 * Context: as for uffd_wp_async_arm_ptes().
 * Return: what the entry was: if pte_write(), a TLB may still let somebody write.
 */
static inline pte_t uffd_wp_async_arm_present(struct vm_area_struct *vma,
					      unsigned long addr, pte_t *ptep)
{
	pte_t old = ptep_modify_prot_start(vma, addr, ptep);

	ptep_modify_prot_commit(vma, addr, ptep, old,
				pte_mkuffd_wp(pte_wrprotect(old)));
	return old;
}

/**
 * uffd_wp_async_armed - entries were armed by uffd_wp_async_arm_present()
 * @vma: the VMA
 * @addr: address of the first page
 * @ptep: its entry
 * @nr: how many entries there are; others may be between
 *
 * If the first reference for writing that the mm gives out is taken at the same
 * time, its page has to count as written.
 *
 * Context: under the same page-table lock.
 */
static inline void uffd_wp_async_armed(struct vm_area_struct *vma,
				       unsigned long addr, pte_t *ptep,
				       unsigned long nr)
{
	if (unlikely(uffd_wp_async_with_care(vma)))
		__uffd_wp_async_armed(vma, addr, ptep, nr);
}

/**
 * uffd_wp_async_note_gup - get_user_pages() will give out references to pages
 * @mm: the mm whose pages they are
 * @gup_flags: FOLL_*
 *
 * Direct I/O and others get pages for writing by FOLL_GET, which leaves no
 * trace on the page but a reference, and write at any time after. From now on
 * references are counted before an entry of @mm is armed.
 *
 * Context: before the page tables are looked at.
 */
static inline void uffd_wp_async_note_gup(struct mm_struct *mm,
					  unsigned int gup_flags)
{
	if ((gup_flags & (FOLL_GET | FOLL_WRITE | FOLL_NO_DATA)) !=
	    (FOLL_GET | FOLL_WRITE))
		return;
	if (!test_bit(MMF_HAS_GOT_WRITE, &mm->flags))
		set_bit(MMF_HAS_GOT_WRITE, &mm->flags);
}

/**
 * uffd_wp_async_dup_mm - what a child has to know of its parent
 * @mm: the child's, not seen by anybody yet
 * @oldmm: the parent's
 *
 * Pages that are written through a reference are shared with the child.
 *
 * Context: the mmap_lock of both is held for writing, and the page tables were
 * copied: gup_fast, which takes no lock, finds nothing writable any more.
 */
static inline void uffd_wp_async_dup_mm(struct mm_struct *mm,
					struct mm_struct *oldmm)
{
	if (test_bit(MMF_HAS_GOT_WRITE, &oldmm->flags))
		set_bit(MMF_HAS_GOT_WRITE, &mm->flags);
}

/**
 * uffd_wp_async_zap_drops - does zapping an armed entry change the content?
 * @vma: the VMA
 * @addr: the address of the entry
 * @pte: the entry as it was; also of a hugetlb page
 *
 * A page of a file comes back as it was, so the entry is replaced by a marker.
 * A private copy is gone for good, and what is read then is another content.
 *
 * Context: the page-table lock is held, and the page still has its references.
 * Return: true if no marker must be left.
 */
static inline bool uffd_wp_async_zap_drops(struct vm_area_struct *vma,
					   unsigned long addr, pte_t pte)
{
	return userfaultfd_wp_async(vma) && !(vma->vm_flags & VM_SHARED) &&
	       __uffd_wp_async_zap_drops(vma, addr, pte);
}

#else /* CONFIG_PTE_MARKER_UFFD_WP */

static inline bool uffd_wp_async_can_track(struct vm_area_struct *vma,
					   unsigned long vm_flags)
{
	return false;
}

static inline bool uffd_wp_async_arm_ptes(struct vm_area_struct *vma,
					  unsigned long addr, pte_t *ptep,
					  unsigned long nr)
{
	return false;
}

static inline bool uffd_wp_async_with_care(struct vm_area_struct *vma)
{
	return false;
}

static inline void uffd_wp_async_drain(struct mm_struct *mm)
{
}

static inline bool uffd_wp_async_wants_drain(struct vm_area_struct *vma,
					     struct page *page)
{
	return false;
}

static inline pte_t uffd_wp_async_arm_present(struct vm_area_struct *vma,
					      unsigned long addr, pte_t *ptep)
{
	return *ptep;
}

static inline void uffd_wp_async_armed(struct vm_area_struct *vma,
				       unsigned long addr, pte_t *ptep,
				       unsigned long nr)
{
}

static inline bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma,
					 unsigned long addr, pmd_t *pmdp)
{
	return false;
}

static inline int uffd_wp_async_map_by_ptes(struct vm_area_struct *vma,
					    pmd_t *pmdp, unsigned long addr)
{
	return 0;
}

static inline bool uffd_wp_async_arm_huge(struct vm_area_struct *vma,
					  unsigned long addr, pte_t *ptep)
{
	return false;
}

static inline bool uffd_wp_async_resolve_pte(struct vm_fault *vmf)
{
	return false;
}

static inline pte_t uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
					       unsigned long addr, pte_t *ptep,
					       pte_t pte)
{
	return pte;
}

static inline void uffd_wp_async_note_gup(struct mm_struct *mm,
					  unsigned int gup_flags)
{
}

static inline void uffd_wp_async_dup_mm(struct mm_struct *mm,
					struct mm_struct *oldmm)
{
}

static inline bool uffd_wp_async_zap_drops(struct vm_area_struct *vma,
					   unsigned long addr, pte_t pte)
{
	return false;
}

static inline void uffd_wp_async_hole_huge(struct address_space *mapping,
					   pgoff_t first, pgoff_t last)
{
}

#endif /* CONFIG_PTE_MARKER_UFFD_WP */

#endif /* _LINUX_UFFD_WP_ASYNC_H */
