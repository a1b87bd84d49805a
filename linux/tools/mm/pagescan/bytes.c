// SPDX-License-Identifier: GPL-2.0
/* Numbers in files; see bytes.h */
#include "bytes.h"
#include "util.h"

/* The prime of FNV-1a of 32 bits. */
#define CHECKSUM_PRIME	0x01000193u

void put_varint(struct bytes *b, uint64_t value)
{
	do {
		GROW(b->v, b->nr, b->room);
		b->v[b->nr++] = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		value >>= 7;
	} while (value);
}

void put_bytes(struct bytes *b, const void *from, size_t len)
{
	const uint8_t *v = from;
	size_t i;

	for (i = 0; i < len; i++) {
		GROW(b->v, b->nr, b->room);
		b->v[b->nr++] = v[i];
	}
}

size_t left(const struct parse *p)
{
	return p->bad ? 0 : p->end - p->at;
}

uint64_t get_varint(struct parse *p)
{
	uint64_t value = 0;
	unsigned int shift;

	for (shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (!left(p))
			break;
		byte = *p->at++;
		/* The tenth byte has room for one bit. */
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	p->bad = true;
	return 0;
}

const char *get_bytes(struct parse *p, uint64_t len)
{
	const uint8_t *at = p->at;

	if (len > left(p)) {
		p->bad = true;
		return NULL;
	}
	p->at += len;
	return (const char *)at;
}

uint32_t checksum(uint32_t sum, const uint8_t *v, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum = (sum ^ v[i]) * CHECKSUM_PRIME;
	return sum;
}
