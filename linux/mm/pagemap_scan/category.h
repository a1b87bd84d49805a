/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a page is, from the value of its entry.
 *
 * This is the one place that says what the categories mean. It takes entries
 * by value and no locks. What is the same for all pages of a VMA is found out
 * once, in a struct pagemap_class.
 *
 * WRITTEN has two meanings. Where writes are tracked, everything is written
 * that is not armed, and that goes for pages that are not there, too: armed
 * empty entries hold a marker. Elsewhere only what exists can be written.
 */
#ifndef _MM_PAGEMAP_SCAN_CATEGORY_H
#define _MM_PAGEMAP_SCAN_CATEGORY_H

#include <linux/mm_types.h>
#include <linux/pagemap_scan.h>

/**
 * struct pagemap_class - what the pages of a VMA have in common
 * @vma: the VMA; it stays what it is while the mmap_lock is held
 * @wants: categories that are of interest; the others may be left out
 * @all: categories that all pages have
 * @empty: categories of a page that is not there
 * @file: whether a page that is present is a file's: none, every, or look
 * @tracked: whether writes are tracked
 */
struct pagemap_class {
	struct vm_area_struct *vma;
	u64 wants;
	u64 all;
	u64 empty;
	enum pagemap_class_file {
		PAGEMAP_FILE_NONE,
		PAGEMAP_FILE_EVERY,
		PAGEMAP_FILE_LOOK,
	} file;
	bool tracked;
};

/**
 * struct pagemap_alike - entries that have the same categories
 * @mask: the bits of the entry that decide
 * @bits: what they are
 *
 * To compare bits is all that it takes for most pages, which are like the one
 * before.
 */
struct pagemap_alike {
	unsigned long long mask;
	unsigned long long bits;
};

/* No entry is like this */
#define PAGEMAP_ALIKE_NONE	((struct pagemap_alike){ .mask = 0, .bits = 1 })

#ifdef CONFIG_X86
static inline bool pagemap_is_alike(const struct pagemap_alike *alike, pte_t pte)
{
	return (pte_val(pte) & alike->mask) == alike->bits;
}

/* The same of four entries at a time, if any is like this: one branch */
static inline bool pagemap_are_alike(const struct pagemap_alike *alike,
				     const pte_t *pte)
{
	const pteval_t differ = (pte_val(pte[0]) ^ alike->bits) |
				(pte_val(pte[1]) ^ alike->bits) |
				(pte_val(pte[2]) ^ alike->bits) |
				(pte_val(pte[3]) ^ alike->bits);

	return !(differ & alike->mask);
}
#else
static inline bool pagemap_is_alike(const struct pagemap_alike *alike, pte_t pte)
{
	return false;
}

static inline bool pagemap_are_alike(const struct pagemap_alike *alike,
				     const pte_t *pte)
{
	return false;
}
#endif

struct pagemap_class pagemap_class_of(struct vm_area_struct *vma, u64 wants);
struct pagemap_alike pagemap_pte_alike(const struct pagemap_class *class,
				       pte_t pte);
u64 pagemap_pte_categories(const struct pagemap_class *class,
			   unsigned long addr, pte_t pte);
u64 pagemap_pmd_categories(const struct pagemap_class *class, pmd_t pmd);
u64 pagemap_huge_categories(const struct pagemap_class *class, pte_t pte);

#endif /* _MM_PAGEMAP_SCAN_CATEGORY_H */
