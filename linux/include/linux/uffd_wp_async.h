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
bool uffd_wp_async_arm_huge(struct vm_area_struct *vma, unsigned long addr,
			    pte_t *ptep);

void __uffd_wp_async_resolve_pte(struct vm_fault *vmf);
pte_t __uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
				   unsigned long addr, pte_t *ptep);

bool __uffd_wp_async_must_stay(struct vm_area_struct *vma, struct page *page);
bool __uffd_wp_async_must_stay_pte(struct vm_area_struct *vma,
				   unsigned long addr, pte_t pte);
bool __uffd_wp_async_zap_drops(struct vm_area_struct *vma, unsigned long addr,
			       pte_t pte);

/**
 * uffd_wp_async_resolve_pte - let the writer of an armed page go on
 * @vmf: a write fault on a present entry; &vm_fault.orig_pte follows the entry
 *
 * Nothing happens to an entry that is not armed, or not asynchronously.
 *
 * Context: the page-table lock is held.
 */
static inline void uffd_wp_async_resolve_pte(struct vm_fault *vmf)
{
	if (userfaultfd_wp_async(vmf->vma) && pte_uffd_wp(*vmf->pte))
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
 * uffd_wp_async_must_stay - is the page one that cannot be armed?
 * @vma: the VMA
 * @page: the page
 *
 * A page that is pinned for DMA is written without a fault: there is nothing
 * to take away, so it has to go on counting as written. As elsewhere, only an
 * mm that has ever pinned anything is asked for the page's count.
 *
 * The entry must have been cleared before this looks at the reference count:
 * gup_fast takes its reference first and looks at the entry again after, so
 * that one of the two sees the other.
 *
 * Context: the page-table lock is held, and the entry cleared or invalidated.
 * Return: true if the page may be written behind the page table's back.
 */
static inline bool uffd_wp_async_must_stay(struct vm_area_struct *vma,
					   struct page *page)
{
	return userfaultfd_wp_async(vma) &&
	       unlikely(test_bit(MMF_HAS_PINNED, &vma->vm_mm->flags)) &&
	       __uffd_wp_async_must_stay(vma, page);
}

/**
 * uffd_wp_async_must_stay_pte - the same for what an entry maps
 * @vma: the VMA
 * @addr: the address of the entry
 * @pte: the entry as it was, present
 *
 * Context: see uffd_wp_async_must_stay().
 * Return: true if there is such a page.
 */
static inline bool uffd_wp_async_must_stay_pte(struct vm_area_struct *vma,
					       unsigned long addr, pte_t pte)
{
	return userfaultfd_wp_async(vma) &&
	       unlikely(test_bit(MMF_HAS_PINNED, &vma->vm_mm->flags)) &&
	       __uffd_wp_async_must_stay_pte(vma, addr, pte);
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

static inline bool uffd_wp_async_arm_pmd(struct vm_area_struct *vma,
					 unsigned long addr, pmd_t *pmdp)
{
	return false;
}

static inline bool uffd_wp_async_arm_huge(struct vm_area_struct *vma,
					  unsigned long addr, pte_t *ptep)
{
	return false;
}

static inline void uffd_wp_async_resolve_pte(struct vm_fault *vmf)
{
}

static inline pte_t uffd_wp_async_resolve_huge(struct vm_area_struct *vma,
					       unsigned long addr, pte_t *ptep,
					       pte_t pte)
{
	return pte;
}

static inline bool uffd_wp_async_must_stay(struct vm_area_struct *vma,
					   struct page *page)
{
	return false;
}

static inline bool uffd_wp_async_must_stay_pte(struct vm_area_struct *vma,
					       unsigned long addr, pte_t pte)
{
	return false;
}

static inline bool uffd_wp_async_zap_drops(struct vm_area_struct *vma,
					   unsigned long addr, pte_t pte)
{
	return false;
}

#endif /* CONFIG_PTE_MARKER_UFFD_WP */

#endif /* _LINUX_UFFD_WP_ASYNC_H */
