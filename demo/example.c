// SPDX-License-Identifier: GPL-2.0
/* Which of my pages did I write? The program of README.md. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>

int main(void)
{
	const long page = sysconf(_SC_PAGESIZE), len = 256 * page;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long start = (unsigned long)mem;
	int uffd = syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	struct uffdio_register reg = { .range = { start, len }, .mode = UFFDIO_REGISTER_MODE_WP };
	struct page_region written[16];
	struct pm_scan_arg scan = {
		.size = sizeof(scan), .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.start = start, .end = start + len,
		.vec = (unsigned long)written, .vec_len = 16,
		.category_mask = PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN,
	};

	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(pagemap, PAGEMAP_SCAN, &scan) < 0)	/* from here on, it counts */
		return perror("no write tracking"), 4;
	mem[3 * page] = 1;
	mem[4 * page] = 1;
	mem[100 * page] = 1;
	for (int i = 0, n = ioctl(pagemap, PAGEMAP_SCAN, &scan); i < n; i++)
		printf("pages %lld to %lld were written\n", (written[i].start - start) / page,
		       (written[i].end - start) / page - 1);
	return 0;
}
