# SPDX-License-Identifier: GPL-2.0
# Align the lines of table.jq that are rows.

BEGIN { FS = "\t" }

NF < 7 { print (NR > 1 ? "\n" : "") $0; next }

{
	line = sprintf("%-30s %-7s %9s %9s %7s %6s  %s", $1, $2, $3, $4, $5, $6, $7)
	sub(/ +$/, "", line)
	print line
}
