/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz targets share: input that is taken bit by bit, zeros when there
 * is no more, and a check that ends the program. A target goes with libFuzzer,
 * or with random.c, which makes input without looking at what it reaches.
 */
#ifndef _PAGEMAP_SCAN_FUZZ_H
#define _PAGEMAP_SCAN_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <linux/types.h>

struct input {
	const u8 *data;
	size_t size;
};

static inline u8 take_byte(struct input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->data++;
}

static inline u64 take_u64(struct input *input)
{
	u64 value = 0;
	int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | take_byte(input);
	return value;
}

#define CHECK(condition)						\
do {									\
	if (condition)							\
		break;							\
	fprintf(stderr, "%s:%d: false: %s\n", __FILE__, __LINE__, #condition); \
	abort();							\
} while (0)

/* The target; for libFuzzer, the Makefile gives it the name that it looks for. */
int fuzz_one(const u8 *data, size_t size);

#endif /* _PAGEMAP_SCAN_FUZZ_H */
