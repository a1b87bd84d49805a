// SPDX-License-Identifier: GPL-2.0
/*
 * Where there is no libFuzzer: feed a target with random input.
 *
 *	PROGRAM SEED RUNS
 *
 * Run n has the seed SEED + n to itself, so one that fails is repeated alone.
 * The runs are in a child, so that it is known which of them it died of.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define MAX_SIZE	256

static void run(unsigned int seed)
{
	u8 *data;
	size_t size, i;

	srand(seed);
	size = rand() % (MAX_SIZE + 1);
	/* Of the size that it has, for ASan to see what is read behind it */
	data = malloc(size);
	if (!data) {
		perror("malloc");
		exit(EXIT_FAILURE);
	}
	for (i = 0; i < size; i++)
		data[i] = rand() >> 8;
	fuzz_one(data, size);
	free(data);
}

static unsigned int parse_u32(const char *string)
{
	char *end;
	unsigned long value = strtoul(string, &end, 0);

	if (!*string || *end || value > UINT32_MAX) {
		fprintf(stderr, "not a number of 32 bits: %s\n", string);
		exit(EXIT_FAILURE);
	}
	return value;
}

int main(int argc, char **argv)
{
	unsigned int seed, runs;
	unsigned int *done;
	int status;
	pid_t child;

	if (argc != 3) {
		fprintf(stderr, "usage: %s SEED RUNS\n", argv[0]);
		return EXIT_FAILURE;
	}
	seed = parse_u32(argv[1]);
	runs = parse_u32(argv[2]);

	done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (done == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}

	child = fork();
	if (child < 0) {
		perror("fork");
		return EXIT_FAILURE;
	}
	if (!child) {
		for (; *done < runs; (*done)++)
			run(seed + *done);
		return EXIT_SUCCESS;
	}

	if (waitpid(child, &status, 0) != child) {
		perror("waitpid");
		return EXIT_FAILURE;
	}
	printf("seed %u: %u of %u runs passed\n", seed, *done, runs);
	if (!status)
		return *done == runs ? EXIT_SUCCESS : EXIT_FAILURE;
	if (*done < runs)
		printf("to repeat: %s %u 1\n", argv[0], seed + *done);
	return EXIT_FAILURE;
}
