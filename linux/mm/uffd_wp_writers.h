/* SPDX-License-Identifier: GPL-2.0 */
/*
 * userfaultfd write protection: who writes without a fault
 *
 * A page that a device has pinned, or that direct I/O has a reference to, is
 * written behind the page table's back. It has to go on counting as written:
 * uffd_wp_async_with_care() says when that is to be looked at, and why it is
 * not too late after the entry was changed. What is here finds such pages.
 *
 * A pin shows in the page's count. A reference by FOLL_GET does not tell what it
 * is for; it is one that neither mappings nor caches nor the LRU lists explain.
 */
#ifndef _MM_UFFD_WP_WRITERS_H
#define _MM_UFFD_WP_WRITERS_H

#include <linux/uffd_wp_async.h>

bool uffd_wp_swap_must_stay(struct vm_area_struct *vma, swp_entry_t entry);
bool uffd_wp_empty_must_stay(struct vm_area_struct *vma, unsigned long addr);

/**
 * uffd_wp_page_must_stay - is the page one that cannot be armed?
 * @vma: an asynchronous VMA
 * @page: the page, mapped or in migration
 *
 * Context: the page-table lock is held, and the entry was changed.
 * Return: true if it may be being written behind the page table's back.
 */
static inline bool uffd_wp_page_must_stay(struct vm_area_struct *vma,
					  struct page *page)
{
	return unlikely(uffd_wp_async_with_care(vma)) &&
	       __uffd_wp_page_must_stay(vma, page);
}

#endif /* _MM_UFFD_WP_WRITERS_H */
