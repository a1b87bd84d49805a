/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PAGEMAP_SCAN, an ioctl of /proc/PID/pagemap: what fs/proc/task_mmu.c calls.
 *
 * linux/fs.h includes this everywhere, so it has to stay small.
 */
#ifndef _LINUX_PAGEMAP_SCAN_H
#define _LINUX_PAGEMAP_SCAN_H

#include <uapi/linux/pagemap_scan.h>
#include <asm-generic/errno.h>

struct mm_struct;
struct pid;

#ifdef CONFIG_PAGEMAP_SCAN
long pagemap_scan_ioctl(struct mm_struct *mm, struct pid *pid,
			unsigned int cmd, unsigned long arg);
#else
static inline long pagemap_scan_ioctl(struct mm_struct *mm, struct pid *pid,
				      unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}
#endif

#endif /* _LINUX_PAGEMAP_SCAN_H */
