/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 64-bit digest, to notice damage and omission. It does not resist an
 * adversary; it need not: the bytes are also compared one by one.
 */
#ifndef DEMO_DIGEST_H
#define DEMO_DIGEST_H

#include <stddef.h>
#include <string.h>
#include <linux/types.h>

#define DIGEST_START	0x2545f4914f6cdd1dULL

static inline __u64 digest_word(__u64 digest, __u64 word)
{
	/* An odd multiplier is a bijection: no word's bits can get lost. */
	digest = (digest ^ word) * 0x9e3779b97f4a7c15ULL;
	return digest ^ (digest >> 29);
}

/* Digest @size bytes onto @digest, length included. */
static inline __u64 digest_bytes(__u64 digest, const void *data, size_t size)
{
	const char *p = data;
	size_t left;
	__u64 word;

	for (left = size; left >= sizeof(word); left -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		digest = digest_word(digest, word);
		p += sizeof(word);
	}
	word = 0;
	memcpy(&word, p, left);
	digest = digest_word(digest, word);
	return digest_word(digest, size);
}

#endif
