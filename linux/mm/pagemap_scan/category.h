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

#include <linux/mm.h>
#include <linux/pagemap_scan.h>

/**
 * struct pagemap_class - what the pages of a VMA have in common
 * @vma: the VMA; it stays what it is while the mmap_lock is held
 * @wants: categories that are of interest; the others may be left out
 * @all: categories that all pages have
 * @empty: categories of a page that is not there
 * @file: whether a page that is present is a file's: none, every, or look
 * @look: it takes a look at each, as somebody wants to know
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
	bool look;
	bool tracked;
};

/**
 * struct pagemap_alike - entries that have the same categories
 * @mask: the bits of the entry that decide
 * @bits: what they are
 * @page: whose their pages are, with &pagemap_class.look
 *
 * To compare bits is all that it takes for most pages, which are like the one
 * before.
 */
struct pagemap_alike {
	unsigned long long mask;
	unsigned long long bits;
	enum pagemap_alike_page {
		PAGEMAP_PAGE_ANY,
		PAGEMAP_PAGE_ANON,
		PAGEMAP_PAGE_FILE,
	} page;
};

/* No entry is like this */
#define PAGEMAP_ALIKE_NONE	((struct pagemap_alike){ .mask = 0, .bits = 1 })

static inline enum pagemap_alike_page pagemap_page_of(pte_t pte)
{
	return PageAnon(pte_page(pte)) ? PAGEMAP_PAGE_ANON : PAGEMAP_PAGE_FILE;
}

#ifdef CONFIG_X86
static __always_inline bool pagemap_is_alike(const struct pagemap_alike *alike,
					     pte_t pte, bool look)
{
	if ((pte_val(pte) & alike->mask) != alike->bits)
		return false;
	return !look || alike->page == PAGEMAP_PAGE_ANY ||
	       alike->page == pagemap_page_of(pte);
}

/* The same of four entries at a time, if bits are all: one branch */
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
static inline bool pagemap_is_alike(const struct pagemap_alike *alike, pte_t pte,
				    bool look)
{
	return false;
}

static inline bool pagemap_are_alike(const struct pagemap_alike *alike,
				     const pte_t *pte)
{
	return false;
}
#endif

/* What is known of the pages of one is known of those of the other */
static inline bool pagemap_same_class(const struct pagemap_class *a,
				      const struct pagemap_class *b)
{
	return a->wants == b->wants && a->all == b->all &&
	       a->empty == b->empty && a->file == b->file;
}

struct pagemap_class pagemap_class_of(struct vm_area_struct *vma, u64 wants);
struct pagemap_alike pagemap_pte_alike(const struct pagemap_class *class,
				       pte_t pte);
u64 pagemap_pte_categories(const struct pagemap_class *class,
			   unsigned long addr, pte_t pte);
u64 pagemap_pmd_categories(const struct pagemap_class *class, pmd_t pmd);
u64 pagemap_huge_categories(const struct pagemap_class *class, pte_t pte);

#endif /* _MM_PAGEMAP_SCAN_CATEGORY_H */
