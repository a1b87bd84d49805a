// SPDX-License-Identifier: GPL-2.0
/*
 * Run the KUnit suites that are linked in: a line of TAP for each case, and for
 * each row of a table.
 */
#include <stdlib.h>
#include <kunit/test.h>

static struct kunit_suite *suites;

void kunit_register(struct kunit_suite *suite)
{
	suite->next = suites;
	suites = suite;
}

/* Returns 1 if it failed. */
static int run(const struct kunit_suite *suite, const struct kunit_case *c,
	       const void *param, const char *desc)
{
	struct kunit test = { .param_value = param };

	if (!setjmp(test.end))
		c->run_case(&test);
	printf("%sok %s.%s%s%s\n", test.failed ? "not " : "", suite->name,
	       c->name, *desc ? ": " : "", desc);
	return test.failed;
}

static int run_all(const struct kunit_suite *suite, const struct kunit_case *c)
{
	char desc[KUNIT_PARAM_DESC_SIZE] = "";
	const void *param = NULL;
	int failed = 0;

	if (!c->generate_params)
		return run(suite, c, NULL, desc);
	while ((param = c->generate_params(param, desc)))
		failed += run(suite, c, param, desc);
	return failed;
}

int main(void)
{
	const struct kunit_suite *suite;
	const struct kunit_case *c;
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (suite = suites; suite; suite = suite->next)
		for (c = suite->test_cases; c->run_case; c++)
			failed += run_all(suite, c);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
