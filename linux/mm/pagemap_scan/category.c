// SPDX-License-Identifier: GPL-2.0
/*
 * What a page is, from the value of its entry: see category.h
 */
#include <linux/dax.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/swapops.h>
#include <linux/uffd_wp_async.h>
#include <linux/userfaultfd_k.h>

#include "category.h"

static enum pagemap_class_file class_file(struct vm_area_struct *vma)
{
	if (vma_is_anonymous(vma))
		return PAGEMAP_FILE_NONE;
	/* A private mapping has copies of its own; DAX has no pages to show */
	if (!(vma->vm_flags & VM_SHARED) || vma_is_dax(vma))
		return PAGEMAP_FILE_LOOK;
	return PAGEMAP_FILE_EVERY;
}

/**
 * pagemap_class_of - what the pages of a VMA have in common
 * @vma: the VMA
 * @wants: the categories that anybody will look at
 *
 * Context: the mmap_lock is held.
 * Return: the class, which is good for as long as that is held.
 */
struct pagemap_class pagemap_class_of(struct vm_area_struct *vma, u64 wants)
{
	struct pagemap_class class = {
		.vma = vma,
		.wants = wants,
		.file = class_file(vma),
		.tracked = userfaultfd_wp_async(vma),
	};

	if (vma->vm_flags & VM_SOFTDIRTY)
		class.all |= PAGE_IS_SOFT_DIRTY;
	if (class.tracked)
		class.all |= PAGE_IS_WPALLOWED;

	class.look = class.file == PAGEMAP_FILE_LOOK && (wants & PAGE_IS_FILE);

	class.empty = class.all;
	if (class.tracked)
		class.empty |= PAGE_IS_WRITTEN;
	return class;
}

/* PAGE_IS_FILE if a page that is present, and not special, is a file's */
static u64 file_category(const struct pagemap_class *class, unsigned long addr,
			 pte_t pte)
{
	struct page *page;

	if (!class->look)
		return class->file == PAGEMAP_FILE_EVERY ? PAGE_IS_FILE : 0;
	page = vm_normal_page(class->vma, addr, pte);
	return page && !PageAnon(page) ? PAGE_IS_FILE : 0;
}

static u64 present_pte_categories(const struct pagemap_class *class,
				  unsigned long addr, pte_t pte)
{
	u64 categories = class->all | PAGE_IS_PRESENT;

	if (!pte_uffd_wp(pte))
		categories |= PAGE_IS_WRITTEN;
	if (pte_soft_dirty(pte))
		categories |= PAGE_IS_SOFT_DIRTY;
	if (is_zero_pfn(pte_pfn(pte)))
		categories |= PAGE_IS_PFNZERO;
	else if (!pte_special(pte))
		categories |= file_category(class, addr, pte);
	return categories;
}

/* A swap entry, a marker, or what else is neither present nor nothing */
static u64 swap_categories(const struct pagemap_class *class, swp_entry_t entry,
			   bool armed, bool soft_dirty)
{
	u64 categories = class->all;

	if (soft_dirty)
		categories |= PAGE_IS_SOFT_DIRTY;
	/* Nothing is behind a marker, neither in memory nor in swap */
	if (is_pte_marker_entry(entry))
		return armed ? categories : categories | class->empty;

	categories |= PAGE_IS_SWAPPED;
	if (!armed)
		categories |= PAGE_IS_WRITTEN;
	if (is_pfn_swap_entry(entry) && !PageAnon(pfn_swap_entry_to_page(entry)))
		categories |= PAGE_IS_FILE;
	return categories;
}

/**
 * pagemap_pte_categories - the categories of a page
 * @class: the class of the VMA
 * @addr: address of the page
 * @pte: its entry
 *
 * Context: the page-table lock is held.
 * Return: PAGE_IS_*; those that nobody wants may be left out.
 */
u64 pagemap_pte_categories(const struct pagemap_class *class,
			   unsigned long addr, pte_t pte)
{
	if (pte_present(pte))
		return present_pte_categories(class, addr, pte);
	if (pte_none(pte))
		return class->empty;
	return swap_categories(class, pte_to_swp_entry(pte),
			       pte_swp_uffd_wp_any(pte), pte_swp_soft_dirty(pte));
}

#ifdef CONFIG_X86
/* The bits that decide about a page that is present; 0: more than bits does */
static pteval_t present_pte_bits(const struct pagemap_class *class, pte_t pte)
{
	pteval_t bits = _PAGE_PRESENT | _PAGE_PROTNONE | _PAGE_SPECIAL;

	/* The zero page or not, a file's page or not */
	if (pte_special(pte) && (class->wants & (PAGE_IS_PFNZERO | PAGE_IS_FILE)))
		return 0;

	if (class->wants & PAGE_IS_WRITTEN)
		bits |= _PAGE_UFFD_WP;
	if (class->wants & PAGE_IS_SOFT_DIRTY)
		bits |= _PAGE_SOFT_DIRTY;
	return bits;
}

/*
 * The bits that decide about a page that is not present; 0: more than bits does.
 * One swap entry is like the other, wherever in the same device it is. The offset
 * is stored inverted, so its top bit is set in each; else those of the first
 * device, whose type is 0, would be like an empty entry.
 */
static pteval_t absent_pte_bits(pte_t pte)
{
	const swp_entry_t entry = pte_to_swp_entry(pte);

	if (pte_none(pte))
		return ~(pteval_t)0;
	/* In migration, say: its page decides */
	if (is_pfn_swap_entry(entry))
		return 0;
#ifdef CONFIG_X86_64
	if (!non_swap_entry(entry))
		return ~(pteval_t)0 << (63 - SWP_TYPE_BITS) |
		       _PAGE_PRESENT | _PAGE_PROTNONE |
		       _PAGE_SWP_UFFD_WP | _PAGE_SWP_SOFT_DIRTY;
#endif
	return ~(pteval_t)0;
}

/**
 * pagemap_pte_alike - which other entries have the same categories?
 * @class: the class of the VMA
 * @pte: an entry
 *
 * Return: what to compare other entries with, of this VMA, while the mmap_lock is
 * held; PAGEMAP_ALIKE_NONE if it takes a closer look at each.
 */
struct pagemap_alike pagemap_pte_alike(const struct pagemap_class *class,
				       pte_t pte)
{
	const pteval_t mask = pte_present(pte) ? present_pte_bits(class, pte) :
						 absent_pte_bits(pte);

	if (!mask)
		return PAGEMAP_ALIKE_NONE;
	return (struct pagemap_alike) {
		.mask = mask,
		.bits = pte_val(pte) & mask,
		.page = class->look && pte_present(pte) ? pagemap_page_of(pte) :
							  PAGEMAP_PAGE_ANY,
	};
}
#else
struct pagemap_alike pagemap_pte_alike(const struct pagemap_class *class,
				       pte_t pte)
{
	return PAGEMAP_ALIKE_NONE;
}
#endif /* CONFIG_X86 */

/**
 * pagemap_pmd_categories - the categories of a huge page, or its migration
 * @class: the class of the VMA
 * @pmd: the entry, of which pmd_trans_huge_lock() thinks that it is huge
 *
 * Context: the page-table lock is held.
 * Return: PAGE_IS_*
 */
u64 pagemap_pmd_categories(const struct pagemap_class *class, pmd_t pmd)
{
	u64 categories = class->all | PAGE_IS_HUGE;
	struct page *page;

	if (!pmd_present(pmd))
		return PAGE_IS_HUGE |
		       swap_categories(class, pmd_to_swp_entry(pmd),
				       pmd_swp_uffd_wp(pmd),
				       pmd_swp_soft_dirty(pmd));

	categories |= PAGE_IS_PRESENT;
	if (!pmd_uffd_wp(pmd))
		categories |= PAGE_IS_WRITTEN;
	if (pmd_soft_dirty(pmd))
		categories |= PAGE_IS_SOFT_DIRTY;
	if (is_huge_zero_pmd(pmd))
		return categories | PAGE_IS_PFNZERO;

	page = pmd_devmap(pmd) ? NULL : pmd_page(pmd);
	if (page && !PageAnon(page))
		categories |= PAGE_IS_FILE;
	return categories;
}

#ifdef CONFIG_HUGETLB_PAGE
/**
 * pagemap_huge_categories - the categories of a hugetlb page
 * @class: the class of the VMA
 * @pte: its entry
 *
 * Context: the page-table lock is held.
 * Return: PAGE_IS_*
 */
u64 pagemap_huge_categories(const struct pagemap_class *class, pte_t pte)
{
	u64 categories = class->all | PAGE_IS_HUGE | PAGE_IS_PRESENT;

	if (huge_pte_none(pte))
		return class->empty;
	if (!pte_present(pte))
		return (is_pte_marker(pte) ? 0 : PAGE_IS_HUGE) |
		       swap_categories(class, pte_to_swp_entry(pte),
				       pte_swp_uffd_wp_any(pte),
				       pte_swp_soft_dirty(pte));

	if (!huge_pte_uffd_wp(pte))
		categories |= PAGE_IS_WRITTEN;
	if (pte_soft_dirty(pte))
		categories |= PAGE_IS_SOFT_DIRTY;
	if (!PageAnon(pte_page(pte)))
		categories |= PAGE_IS_FILE;
	return categories;
}
#endif /* CONFIG_HUGETLB_PAGE */
