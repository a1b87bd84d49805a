/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel interface that the demo shows, from wherever it can be had: newer
 * system headers, the headers installed from build/linux, or the file in
 * ../linux itself, which the Makefile puts on the include path.
 */
#ifndef DEMO_ABI_H
#define DEMO_ABI_H

#include <linux/fs.h>
#include <linux/userfaultfd.h>

#ifndef PAGEMAP_SCAN
#include <linux/pagemap_scan.h>
#endif

/* What Debian 12's linux/userfaultfd.h is too old to have. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		0x8000
#endif

#endif
