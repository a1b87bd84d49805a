/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers in files: a buffer that is written to, and one that is read and never
 * read beyond its end.
 */
#ifndef PAGESCAN_BYTES_H
#define PAGESCAN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *v;
	size_t nr;
	size_t room;
};

void put_varint(struct bytes *b, uint64_t value);
void put_bytes(struct bytes *b, const void *from, size_t len);

/* Once something was not there or too large it is bad, and gives only 0. */
struct parse {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

uint64_t get_varint(struct parse *p);
/* The next len bytes, or NULL. */
const char *get_bytes(struct parse *p, uint64_t len);
size_t left(const struct parse *p);

uint32_t checksum(uint32_t sum, const uint8_t *v, size_t len);
#define CHECKSUM_BEGIN	0x811c9dc5u

#endif
