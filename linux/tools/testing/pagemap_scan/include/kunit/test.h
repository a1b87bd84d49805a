/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of KUnit as the tests of PAGEMAP_SCAN use, for userspace. An
 * expectation that fails is printed; an assertion also ends the case.
 */
#ifndef _SHIM_KUNIT_TEST_H
#define _SHIM_KUNIT_TEST_H

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>

#define KUNIT_PARAM_DESC_SIZE	128

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define strscpy(to, from, size)	snprintf(to, size, "%s", from)

struct kunit {
	const void *param_value;
	jmp_buf end;
	bool failed;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	const void *(*generate_params)(const void *prev, char *desc);
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
	struct kunit_suite *next;
};

void kunit_register(struct kunit_suite *suite);

#define kunit_test_suite(suite)						\
	static void __attribute__((constructor)) register_##suite(void)	\
	{								\
		kunit_register(&(suite));				\
	}

#define KUNIT_CASE(fn)			{ .run_case = fn, .name = #fn }
#define KUNIT_CASE_PARAM(fn, params)					\
	{ .run_case = fn, .name = #fn, .generate_params = params }

#define KUNIT_ARRAY_PARAM(name, array, describe)			\
	static const void *name##_gen_params(const void *prev, char *desc) \
	{								\
		__auto_type next = array;				\
		__auto_type end = next + sizeof(array) / sizeof(*next);	\
									\
		if (prev)						\
			next = (typeof(next))prev + 1;			\
		if (next == end)					\
			return NULL;					\
		describe(next, desc);					\
		return next;						\
	}

#define KUNIT_CHECK(test, fatal, left, op, right, ...)			\
do {									\
	const typeof(left) _left = (left);				\
	const typeof(right) _right = (right);				\
	struct kunit *_test = (test);					\
									\
	if (_left op _right)						\
		break;							\
	printf("# %s:%d: %s %s %s: %#llx, %#llx", __FILE__, __LINE__,	\
	       #left, #op, #right, (unsigned long long)_left,		\
	       (unsigned long long)_right);				\
	printf(" " __VA_ARGS__);					\
	putchar('\n');							\
	_test->failed = true;						\
	if (fatal)							\
		longjmp(_test->end, 1);				\
} while (0)

#define KUNIT_EXPECT_EQ(test, l, r)	KUNIT_CHECK(test, 0, l, ==, r)
#define KUNIT_EXPECT_EQ_MSG(test, l, r, ...)				\
	KUNIT_CHECK(test, 0, l, ==, r, __VA_ARGS__)
#define KUNIT_EXPECT_PTR_EQ(test, l, r)	KUNIT_CHECK(test, 0, (size_t)(l), ==, (size_t)(r))
#define KUNIT_EXPECT_TRUE(test, c)	KUNIT_CHECK(test, 0, c, ==, true)
#define KUNIT_ASSERT_EQ(test, l, r)	KUNIT_CHECK(test, 1, l, ==, r)
#define KUNIT_ASSERT_EQ_MSG(test, l, r, ...)				\
	KUNIT_CHECK(test, 1, l, ==, r, __VA_ARGS__)
#define KUNIT_ASSERT_LE_MSG(test, l, r, ...)				\
	KUNIT_CHECK(test, 1, l, <=, r, __VA_ARGS__)
#define KUNIT_ASSERT_TRUE(test, c)	KUNIT_CHECK(test, 1, c, ==, true)

#endif /* _SHIM_KUNIT_TEST_H */
