# SPDX-License-Identifier: MIT
# setup: yes
# needs: gawk python3
# timeout: 120
# modes: tiny flush=1000
set -eu
if [ "${1-}" = setup ]; then
	python3 -c "
import sys; sys.path.insert(0, '$TOP/bench'); import gen
gen.make('.', 'log', lambda r: gen.log(r, ${LONG:+10}5000))"
	exit 0
fi
gawk -f "$TOP/bench/programs/report.awk" "$SETUP/log"
gawk 'BEGIN { c = "sort -n"; for (i = 20; i > 0; i--) print i * 7 % 13 |& c; close(c, "to"); while ((c |& getline x) > 0) s = s " " x; print s }'
gawk 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } BEGIN { print fib(20) }'
gawk -M 'BEGIN { print 2 ^ 200 }' 2>/dev/null || gawk 'BEGIN { printf "%.0f\n", 2 ^ 80 }'
seq 1 5000 | gawk '{ s = s $0; if (length(s) > 60) { print s; s = "" } } END { print NR, s }' | cksum
gawk 'BEGIN { print strftime("%F", 1700000000, 1); print toupper(substr("hello", 2)); system("exit 3"); print length(ENVIRON["TZ"]) }'
gawk -F'"' '{ n[$2]++ } END { for (i in n) m = n[i] > m ? n[i] : m; print m, length(n) }' "$SETUP/log"
