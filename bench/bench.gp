# SPDX-License-Identifier: GPL-2.0
# Draw a picture of the main workloads: gnuplot -e "rows='FILE'; out='FILE'".
# FILE: workload, ours, mainline, soft-dirty, limit; tab-separated.

set terminal svg size 960,640 font "sans-serif,13" background "white"
set output out
set datafile separator "\t"
set datafile missing "-"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set logscale y
set yrange [1:*]
set grid ytics lc rgb "#dddddd"
set ylabel "instructions a page or fault"
set xtics rotate by -35 noenhanced nomirror
set key top left horizontal
set title "PAGEMAP\\_SCAN on 4 KiB pages: fewer is better"
plot rows using 2:xtic(1) title "this series" lc rgb "#1b7837", \
	"" using 3 title "mainline 6.12" lc rgb "#b2182b", \
	"" using 4 title "soft-dirty" lc rgb "#878787", \
	"" using 5 title "limit" lc rgb "#2166ac"
