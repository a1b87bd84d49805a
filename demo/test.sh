#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# demo/test.sh PROGRAM: does the demo notice when something is lost?
#
# Runs it on small scripts, whole and sabotaged, and on checkpoint files that
# were tampered with. TAP on stdout; exits 0 if all is well, 1 if not, 4 if the
# kernel lacks the feature. For any POSIX sh, busybox's too.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 PROGRAM" >&2; exit 2; }
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR="$work"

number=0
failed=0

# expect STATUS PATTERN NAME OPTION...: run the program, hold it to both. An
# empty pattern is found in everything.
expect()
{
	status=$1 pattern=$2 name=$3
	shift 3
	number=$((number + 1))
	got=0
	"$program" --ascii "$@" >"$work/out" 2>&1 || got=$?
	if [ "$got" -eq "$status" ] && grep -q -e "$pattern" "$work/out"; then
		echo "ok $number $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $number $name"
	echo "# status $got instead of $status, or no '$pattern' in:"
	sed 's/^/# /' "$work/out"
}

cat >"$work/small.sql" <<'SQL'
-- base
BEGIN;
CREATE TABLE t(id INTEGER PRIMARY KEY, x, y);
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 2000)
	INSERT INTO t SELECT n, hex(n * n), zeroblob(100) FROM c;
COMMIT;
UPDATE t SET y = x WHERE id % 40 = 1;
CREATE INDEX t_x ON t(x);
DELETE FROM t WHERE id BETWEEN 500 AND 600;
VACUUM;
SQL
small="$work/small.sql"
printf 'CREATE TABLE t(x);\nINSERT INTO nowhere VALUES (1);\n' >"$work/wrong.sql"

got=0
"$program" --arena 8 "$small" >"$work/out" 2>&1 || got=$?
if [ "$got" -eq 4 ]; then
	echo "1..0 # $(cat "$work/out")"
	exit 4
fi

small_run()
{
	status=$1 pattern=$2 name=$3
	shift 3
	expect "$status" "$pattern" "$name" --arena 8 "$@" "$small"
}

small_run 0 'PASS' 'a small database'
small_run 0 'PASS' 'one region a scan' --vec 1
small_run 0 '^0 of them took more' 'all regions in one scan' --vec 5000
small_run 0 'PASS' 'an arena of huge pages' --memory thp
small_run 0 'PASS' 'an arena of shared memory' --memory shmem

for at in 0 1 4; do
	small_run 1 'FAIL.* [0-4] of 5 steps give' \
		"a region not saved at checkpoint $at is noticed" --sabotage "save:$at"
	small_run 1 'FAIL.* [1-9][0-9]* pages changed without' \
		"a region not reported at checkpoint $at is noticed" --sabotage "scan:$at"
done
small_run 2 'only 5 checkpoints' 'sabotage that never came is noticed' --sabotage save:5

expect 2 'wrong.sql:2: no such table' 'an error in the script is shown' "$work/wrong.sql"
expect 2 'no-such.sql' 'a missing script is an error' "$work/no-such.sql"

# Files of a good run; then as good, then spoilt in one way after the other.
files="$work/files"
small_run 0 'PASS' 'checkpoint files are kept' --dir "$files"
expect 2 'File exists' 'checkpoint files are not overwritten' --arena 8 --dir "$files" "$small"

# spoilt STATUS PATTERN NAME: restore from $work/spoilt, then make it good again.
spoilt()
{
	expect "$1" "$2" "$3" --restore "$work/spoilt"
	rm -rf "$work/spoilt"
	cp -r "$files" "$work/spoilt"
}
cp -r "$files" "$work/spoilt"

spoilt 0 'stays in order *yes' 'a new process restores them'

printf 'x' | dd of="$work/spoilt/0002.ckpt" bs=1 seek=5000 conv=notrunc 2>/dev/null
spoilt 1 '0002.ckpt: damaged' 'a changed byte is noticed'

printf 'x' | dd of="$work/spoilt/0001.ckpt" bs=1 seek=56 conv=notrunc 2>/dev/null
spoilt 1 '0001.ckpt' 'a changed header is noticed'

dd if="$files/0003.ckpt" of="$work/spoilt/0003.ckpt" bs=4096 count=1 2>/dev/null
spoilt 1 '0003.ckpt: cut short' 'a file cut short is noticed'

rm "$work/spoilt/0002.ckpt"
spoilt 1 '0002.ckpt' 'a missing file is noticed'

mv "$work/spoilt/0003.ckpt" "$work/spoilt/0002.ckpt"
mv "$work/spoilt/0004.ckpt" "$work/spoilt/0003.ckpt"
spoilt 1 '0002.ckpt: does not follow' 'a file left out of the row is noticed'

echo "1..$number"
[ "$failed" -eq 0 ]
