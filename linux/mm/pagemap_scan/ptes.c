// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN: the entries of a page table; see internal.h
 *
 * This is where the time goes. Most pages are like their neighbours, so what
 * was learned of one entry is compared with the next ones as bits, and what
 * there is to do is done once for a run of them. Where pages of two kinds
 * alternate, no run is longer than one: so a run costs little, too.
 */
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/uffd_wp_async.h>

#include "../internal.h"
#include "internal.h"

/**
 * struct pte_table - the entries to scan, under the page-table lock
 * @cursor: the cursor
 * @base: see pte_addr()
 * @first: the first entry
 * @end: behind the last
 * @care: uffd_wp_async_with_care(), before the first was armed
 * @armed_from: the first entry that was armed, or NULL; what has to come before
 *	that has been done
 * @armed_to: behind the last
 * @flush: a TLB may still allow to write to one of them, if not 0
 */
struct pte_table {
	struct pagemap_scan_cursor *cursor;
	unsigned long base;
	pte_t *first;
	pte_t *end;
	bool care;
	pte_t *armed_from;
	pte_t *armed_to;
	int flush;
};

/* Address of the page of an entry. The entry's own grows by less, evenly. */
static __always_inline unsigned long pte_addr(unsigned long base,
					      const pte_t *pte)
{
	return base + (unsigned long)pte * (PAGE_SIZE / sizeof(pte_t));
}

/* Where does the run end of which *pte is the first? */
static __always_inline pte_t *pte_run(const struct pagemap_alike *alike,
				      pte_t *pte, const pte_t *end, bool look)
{
	if (++pte == end || !pagemap_is_alike(alike, *pte, look))
		return pte;
	/* Not alone: the run may well be long */
	while (!look && end - pte >= 4 && pagemap_are_alike(alike, pte))
		pte += 4;
	while (pte != end && pagemap_is_alike(alike, *pte, look))
		pte++;
	return pte;
}

/* The same, if it is likely that the next entry is like another already */
static __always_inline pte_t *pte_short_run(const struct pagemap_alike *alike,
					    const struct pagemap_alike *other,
					    pte_t *pte, const pte_t *end,
					    bool look)
{
	if (pte + 1 == end || pagemap_is_alike(other, pte[1], look))
		return pte + 1;
	return pte_run(alike, pte, end, look);
}

/* What is known of the last entry that matched */
static inline const struct pagemap_match *
lesson_match(const struct pagemap_lesson *lesson)
{
	return &lesson->match[lesson->last];
}

/* Take a look at an entry that is not known yet, to know others like it */
static noinline bool pte_learn(const struct pte_table *table,
			       struct pagemap_lesson *lesson, const pte_t *pte)
{
	const struct pagemap_scan_cursor *cursor = table->cursor;
	const struct pagemap_class *class = &cursor->class;
	const unsigned long addr = pte_addr(table->base, pte);
	const u64 categories = pagemap_pte_categories(class, addr, *pte);
	const struct pagemap_alike alike = pagemap_pte_alike(class, *pte);

	if (pagemap_filter_match(&cursor->req->filter, categories)) {
		lesson->last = !lesson->last;
		lesson->match[lesson->last] = (struct pagemap_match) {
			.alike = alike,
			.report = categories & cursor->req->filter.ret,
			.arms = pagemap_scan_arms(cursor, categories),
			.plain = pte_present(*pte),
		};
		return true;
	}
	if (pte_present(*pte))
		lesson->present = alike;
	else
		lesson->absent = alike;
	return false;
}

/* The next entry that matches, like lesson_match() then; or end */
static __always_inline pte_t *pte_next_match(const struct pte_table *table,
					     struct pagemap_lesson *lesson,
					     pte_t *pte, const pte_t *end,
					     bool look)
{
	const struct pagemap_match *match = lesson_match(lesson);
	const struct pagemap_match *other = &lesson->match[!lesson->last];

	while (pte != end) {
		if (pagemap_is_alike(&lesson->present, *pte, look)) {
			pte = pte_run(&lesson->present, pte, end, look);
			if (pte == end)
				break;
		}
		if (pagemap_is_alike(&match->alike, *pte, look))
			break;
		if (pagemap_is_alike(&lesson->absent, *pte, look)) {
			pte = pte_run(&lesson->absent, pte, end, look);
			continue;
		}
		if (pagemap_is_alike(&other->alike, *pte, look)) {
			lesson->last = !lesson->last;
			break;
		}
		if (pte_learn(table, lesson, pte))
			break;
		pte++;
	}
	return pte;
}

/* Before the first entry of the table is armed; true if somebody must be told */
static noinline bool pte_begin_arming(struct pte_table *table, pte_t *pte)
{
	struct pagemap_scan_cursor *cursor = table->cursor;

	if (pagemap_scan_must_notify(cursor))
		return true;
	pagemap_scan_gather(cursor);
	tlb_change_page_size(&cursor->tlb, PAGE_SIZE);
	table->armed_from = pte;
	return false;
}

/* After the last */
static void pte_end_arming(struct pte_table *table)
{
	struct pagemap_scan_cursor *cursor = table->cursor;
	const unsigned long nr = table->armed_to - table->armed_from;
	const unsigned long addr = pte_addr(table->base, table->armed_from);

	if (!table->care)
		uffd_wp_async_armed(cursor->class.vma, addr, table->armed_from,
				    nr);
	if (table->flush)
		tlb_flush_pte_range(&cursor->tlb, addr, nr << PAGE_SHIFT);
}

/*
 * Arm entries that are alike, present and not armed, at least one of them. Returns
 * flush, with what pte_write() has said of them: as it is, a bit, is cheaper.
 */
static __always_inline int
pte_arm_plain(struct vm_area_struct *vma, unsigned long addr, pte_t *pte,
	      unsigned long nr, int flush)
{
	do {
		flush |= pte_write(uffd_wp_async_arm_present(vma, addr, pte));
		addr += PAGE_SIZE;
		pte++;
	} while (--nr);
	return flush;
}

/* Arm entries that are alike, and none of them armed */
static noinline void pte_arm(struct pte_table *table, bool plain,
			     unsigned long addr, pte_t *pte, unsigned long nr)
{
	struct vm_area_struct *vma = table->cursor->class.vma;

	table->armed_to = pte + nr;
	if (plain)
		table->flush = pte_arm_plain(vma, addr, pte, nr, table->flush);
	else
		table->flush |= uffd_wp_async_arm_ptes(vma, addr, pte, nr);
}

static bool pte_must_drain(const struct pte_table *table, const pte_t *pte,
			   unsigned long nr)
{
	struct vm_area_struct *vma = table->cursor->class.vma;
	struct folio *last = NULL;
	struct page *page;

	if (table->cursor->drained || !pte_present(*pte))
		return false;
	for (; nr; nr--, pte++) {
		page = vm_normal_page(vma, pte_addr(table->base, pte), *pte);
		if (!page || page_folio(page) == last)
			continue;
		last = page_folio(page);
		if (pagemap_scan_must_drain(table->cursor, page))
			return true;
	}
	return false;
}

/* Reserve, arm, record: a run of any kind */
static __always_inline int pte_take(struct pte_table *table,
				    const struct pagemap_match *match,
				    pte_t *pte, unsigned long nr)
{
	struct pagemap_scan_cursor *cursor = table->cursor;
	struct pagemap_regions *regions = &cursor->regions;
	unsigned long fit;

	cursor->addr = pte_addr(table->base, pte);
	fit = pagemap_regions_fit(regions, cursor->addr, nr, match->report);
	if (fit && match->arms) {
		if (table->care && pte_must_drain(table, pte, fit))
			return pagemap_scan_stop(cursor, PAGEMAP_STOP_DRAIN);
		if (!table->armed_from && pte_begin_arming(table, pte))
			return PAGEMAP_TABLE_NOTIFY;
		pte_arm(table, match->plain && !table->care, cursor->addr, pte,
			fit);
	}
	pagemap_regions_record(regions, cursor->addr, fit, match->report);
	cursor->addr += fit << PAGE_SHIFT;
	return fit < nr ? pagemap_scan_full(cursor) : 0;
}

/* Arm what was just recorded: entries that are alike, present and not armed */
static noinline void pte_arm_regions(struct pte_table *table,
				     const struct page_region *region,
				     const struct page_region *end)
{
	struct vm_area_struct *vma = table->cursor->class.vma;
	pte_t *const first = table->first;
	const unsigned long start = pte_addr(table->base, first);
	int flush = table->flush;

	if (region == end)
		return;
	table->armed_to = first + ((end[-1].end - start) >> PAGE_SHIFT);
	for (; region != end; region++) {
		pte_t *pte = first + ((region->start - start) >> PAGE_SHIFT);
		unsigned long nr = (region->end - region->start) >> PAGE_SHIFT;

		flush = pte_arm_plain(vma, region->start, pte, nr, flush);
	}
	table->flush = flush;
}

/*
 * Record run after run of pages that match, with one of others before each.
 * What it takes to go on is in registers.
 *
 * Return: the first entry that is not dealt with.
 */
static __always_inline pte_t *
pte_record_runs(const struct pte_table *table,
		const struct pagemap_lesson *lesson, pte_t *pte, bool look)
{
	struct pagemap_regions *regions = &table->cursor->regions;
	struct page_region *const full = pagemap_regions_full(regions);
	struct page_region *region = pagemap_regions_next(regions);
	const struct pagemap_alike match = lesson_match(lesson)->alike;
	const struct pagemap_alike other =
		pagemap_is_alike(&lesson->present, pte[-1], look) ?
		lesson->present : lesson->absent;
	const u64 report = lesson_match(lesson)->report;
	const unsigned long base = table->base;
	pte_t *const end = table->end;
	unsigned long nr = 0;
	pte_t *next;
	bool more;

	while (region != full) {
		region->start = pte_addr(base, pte);
		next = pte_short_run(&match, &other, pte, end, look);
		more = next != end && pagemap_is_alike(&other, *next, look);
		region->end = pte_addr(base, next);
		region->categories = report;
		region++;
		nr += next - pte;
		pte = next;
		if (!more)
			break;
		pte = pte_short_run(&other, &match, pte, end, look);
		if (pte == end || !pagemap_is_alike(&match, *pte, look))
			break;
	}
	pagemap_regions_appended(regions, region, nr);
	return pte;
}

static noinline pte_t *
pte_record_runs_by_bits(const struct pte_table *table,
			const struct pagemap_lesson *lesson, pte_t *pte)
{
	return pte_record_runs(table, lesson, pte, false);
}

static noinline pte_t *
pte_record_runs_by_pages(const struct pte_table *table,
			 const struct pagemap_lesson *lesson, pte_t *pte)
{
	return pte_record_runs(table, lesson, pte, true);
}

/*
 * Reserve, record, arm: the short way for short runs. What is armed is armed
 * after it was recorded, which makes no difference: the lock is held, and
 * nothing can fail. Limits are only looked at where none is in reach.
 *
 * Return: the first entry that is not dealt with.
 */
static __always_inline pte_t *pte_take_runs(struct pte_table *table,
					    const struct pagemap_lesson *lesson,
					    pte_t *pte, bool look)
{
	struct pagemap_regions *regions = &table->cursor->regions;
	const struct page_region *first = pagemap_regions_next(regions);
	const struct pagemap_match *match = lesson_match(lesson);

	if (!regions->vec || regions->pages_left < (u64)(table->end - pte))
		return pte;
	if (match->arms && !(table->armed_from && match->plain && !table->care))
		return pte;

	pte = look ? pte_record_runs_by_pages(table, lesson, pte) :
		     pte_record_runs_by_bits(table, lesson, pte);
	if (match->arms)
		pte_arm_regions(table, first, pagemap_regions_next(regions));
	return pte;
}

static __always_inline int scan_entries(struct pte_table *table, bool look)
{
	struct pagemap_lesson *lesson = &table->cursor->lesson;
	const struct pagemap_match *match;
	pte_t *const end = table->end;
	pte_t *pte, *last = table->first, *next;
	int ret;

	for (;; last = next) {
		pte = pte_next_match(table, lesson, last, end, look);
		if (pte == end)
			break;
		/* With others between, it is no part of the last region */
		next = pte != last ? pte_take_runs(table, lesson, pte, look) :
				     pte;
		if (next != pte)
			continue;
		match = lesson_match(lesson);
		next = pte_run(&match->alike, pte, end, look);
		ret = pte_take(table, match, pte, next - pte);
		if (ret)
			return ret;
	}
	table->cursor->addr = pte_addr(table->base, end);
	return 0;
}

/* Where bits decide. It is one loop, compiled twice. */
static noinline int scan_entries_by_bits(struct pte_table *table)
{
	return scan_entries(table, false);
}

/* Where it takes the page to know whether it is a file's, too */
static noinline int scan_entries_by_pages(struct pte_table *table)
{
	return scan_entries(table, true);
}

/**
 * pagemap_scan_ptes - scan the entries of a page table
 * @cursor: the cursor
 * @pmd: the entry that points to the page table
 * @end: address where to end, in the same page table
 *
 * Context: the mmap_lock is held for reading, and @pmd is stable.
 * Return: 0, PAGEMAP_WALK_STOP or PAGEMAP_TABLE_NOTIFY.
 */
int pagemap_scan_ptes(struct pagemap_scan_cursor *cursor, pmd_t *pmd,
		      unsigned long end)
{
	const struct pagemap_scan_request *req = cursor->req;
	struct pte_table table = {
		.cursor = cursor,
		.care = req->arm && uffd_wp_async_with_care(cursor->class.vma),
	};
	spinlock_t *ptl;
	int ret;

	table.first = pte_offset_map_lock(req->mm, pmd, cursor->addr, &ptl);
	table.base = cursor->addr -
		     (unsigned long)table.first * (PAGE_SIZE / sizeof(pte_t));
	table.end = table.first + ((end - cursor->addr) >> PAGE_SHIFT);
	if (req->arm) {
		/*
		 * What try_to_unmap_one() has unmapped may still be written
		 * through a TLB. That write must not come after the report.
		 */
		flush_tlb_batched_pending(req->mm);
		arch_enter_lazy_mmu_mode();
	}

	ret = cursor->class.look ? scan_entries_by_pages(&table) :
				   scan_entries_by_bits(&table);

	if (table.armed_from)
		pte_end_arming(&table);
	if (req->arm)
		arch_leave_lazy_mmu_mode();
	pte_unmap_unlock(table.first, ptl);
	return ret;
}
