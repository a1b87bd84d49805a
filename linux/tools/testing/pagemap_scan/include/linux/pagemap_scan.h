/* SPDX-License-Identifier: GPL-2.0 */
/* The interface of this tree, not of a kernel that headers are installed of */
#include "../../../../../include/uapi/linux/pagemap_scan.h"
