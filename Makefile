# SPDX-License-Identifier: GPL-2.0
# Every target is a few scripts; each of them does only what is not done yet.

.DEFAULT_GOAL := help

KSRC ?=
CONFIG ?=
JOBS ?= $(shell nproc)
DEBUG ?=
NATIVE ?=
FORCE ?=
TESTS ?=
SECONDS ?= 600
CPUS ?=
export KSRC CONFIG JOBS FORCE TESTS CPUS
# An empty one would be taken for one.
ifneq ($(SEED),)
export SEED
endif
MAKEFLAGS += --no-print-directory

image := build/bzImage$(if $(DEBUG),-debug)

##@ See it

demo: $(if $(NATIVE),,kernel) ## a SQLite, checkpointed by its writes, on our kernel (NATIVE=1: on this machine's)
	scripts/demo $(if $(NATIVE),native,$(if $(DEBUG),debug))

pagescan: ## build build/pagescan/pagescan, which shows what a process writes
	scripts/pagescan

test: ## everything: check, fuzz, and all tests on the kernels
	scripts/test

test-quick: ## what needs no kernel: check, fuzz
	scripts/test quick

##@ The series

tree: ## make the git tree build/linux: the pristine source, then the series
	scripts/deps tree
	scripts/assemble

refresh: ## bring commits made in build/linux back to patches/ and linux/
	scripts/refresh

series: tree ## write the series, ready to mail, to build/series
	scripts/series

check: ## the rule of the house, checkpatch, sparse, W=1, documentation, shellcheck, SPDX
	scripts/deps tree kernel check
	scripts/check

commits: tree ## build every commit, and the last one without this and that and for i386 and arm64
	scripts/deps kernel ccache cross
	scripts/commits

##@ The kernel

kernel: tree ## build build/bzImage (DEBUG=1: build/bzImage-debug)
	scripts/deps kernel ccache
	scripts/kernel $(if $(DEBUG),debug)

shell: kernel ## a shell in the guest (DEBUG=1: on the debug kernel)
	scripts/deps vm
	vm/run $(if $(DEBUG),-d) -c $(image) sh

selftests: tree ## build the kselftests, for 64 and for 32 bits
	scripts/deps kernel tests
	scripts/selftests

test-kernel: kernel selftests ## the kselftests in the guest (DEBUG=1)
	scripts/deps vm
	scripts/guest-tests $(if $(DEBUG),debug)

test-arm64: tree ## the kselftests in a guest of arm64, where writes cannot be tracked
	scripts/deps kernel ccache vm arm64
	scripts/kernel arm64
	scripts/selftests arm64
	scripts/guest-tests arm64

kcsan: selftests ## the races on a kernel with KCSAN; what it reports of ours is to be in docs/kcsan.md
	scripts/deps kernel ccache vm
	scripts/kernel kcsan
	scripts/kcsan

soak: kernel selftests ## hunt for lost writes at random for SECONDS (DEBUG=1, SEED=N, CPUS=N)
	scripts/deps vm
	scripts/soak $(SECONDS) $(if $(DEBUG),debug)

test-base: tree ## the base's own tests: the same results on the pristine kernel and on ours
	scripts/deps kernel ccache vm tests base
	scripts/base-tests

# Said on the command line, DEBUG= is the normal kernel.
stress: DEBUG = 1
stress: kernel selftests ## stress-ng on tracked memory for SECONDS, on the debug kernel (DEBUG=: on the normal one)
	scripts/deps vm stress
	scripts/stress $(SECONDS) $(if $(DEBUG),debug)

examples: $(if $(NATIVE),tree,kernel) ## the programs of the documents, compiled and run in the guest (NATIVE=1: on this machine)
	scripts/deps kernel check vm
	scripts/examples $(if $(NATIVE),native,guest $(if $(DEBUG),debug))

test-native: selftests ## the kselftests on this machine's own kernel, as root
	scripts/native-tests

kunit: kernel ## the KUnit suites in the guest (DEBUG=1)
	scripts/deps vm
	scripts/kunit $(if $(DEBUG),debug)

test-pagescan: $(if $(NATIVE),,kernel) ## pagescan in the guest (DEBUG=1), or on this machine and real programs (NATIVE=1)
	scripts/pagescan-test $(if $(NATIVE),native,$(if $(DEBUG),debug))

test-criu: tree ## CRIU of Debian 13 in the guest: dump, pre-dump and restore of known memory and of redis
	scripts/deps kernel ccache
	scripts/kernel criu
	scripts/criu-test

fuzz: tree ## the pure parts of the scan in user space, under sanitizers
	scripts/deps fuzz
	scripts/fuzz

##@ Measure

bench: $(if $(NATIVE),,kernel mainline) ## our kernel, mainline's, and the older ways, as table, JSON and picture (NATIVE=1: this machine's)
	scripts/bench $(if $(NATIVE),native)

bench-picture: bench ## the same, and the picture into docs/
	sed '1a <!-- SPDX-License-Identifier: GPL-2.0 -->' build/bench.svg >docs/bench.svg

mainline: ## build build/bzImage-6.12 of Debian's linux-source-6.12, to measure against
	scripts/deps tree kernel ccache
	scripts/mainline

##@ Tidy

clean: ## remove what was built, keep the source and downloads
	rm -rf build/kernel* build/*Image* build/log build/headers* build/selftests* build/demo build/pagescan build/criu build/series build/check build/bench*

distclean: ## remove all of build/, with work in build/linux that was not refreshed
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nSettings: KSRC=DIR-OR-TARBALL another 6.1.y source, CONFIG=FILE another kernel\n'
	@printf 'configuration, JOBS=N, DEBUG=1, NATIVE=1, FORCE=1 (tree: drop work in build/linux),\n'
	@printf "TESTS='64/uffd*' (test-kernel, test-native: only these)\n"

.SILENT:
.PHONY: demo pagescan test-pagescan test test-quick test-arm64 test-base test-criu tree refresh \
	series check commits kernel shell selftests test-kernel soak stress examples test-native kunit \
	kcsan fuzz bench bench-picture mainline clean distclean help
