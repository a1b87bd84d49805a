/* SPDX-License-Identifier: GPL-2.0 */
/* The types of the kernel that the tested files use */
#ifndef _SHIM_LINUX_TYPES_H
#define _SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u8 u8;

#endif /* _SHIM_LINUX_TYPES_H */
