# SPDX-License-Identifier: GPL-2.0
# What varies from run to run of one kernel: addresses, page frames, times, and
# how often one had to look until something was done.
s/\x1b\[[0-9;]*m//g
s/0x[0-9a-f]{4,}/ADDRESS/g
s/(pfn is) [0-9a-f]+/\1 N/
s/^(# status [^ ]+ [0-9]+) [0-9]+$/\1/
s/\.{3,}/.../g
s/^((Not m|M)erged pages|Total time|Average speed): .*/\1/
s/(mremap time:|pattern_seed=).*/\1/
s/(Number of huge pages allocated) = [0-9]+/\1/
s/(get|put|time):[0-9]+/\1:N/g
