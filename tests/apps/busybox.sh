# SPDX-License-Identifier: MIT
# needs: busybox
# timeout: 120
# modes: tiny flush=300
# expect: unwind busybox *
# A static program with many faces.
set -eu
b=$(command -v busybox)
$b sh -c 'echo $0; f() { [ $1 -gt 0 ] && f $(($1 - 1)) || echo end; }; f 100'
$b seq 1 3000 | $b awk '{ s += $1 * $1 } END { print s }'
$b seq 1 3000 | $b sort -r | $b md5sum
$b seq 1 3000 | $b gzip -c | $b gunzip -c | $b sha256sum
mkdir d && (cd d && $b seq 1 100 >f && $b cp f g && $b ln -s f h && $b ls -1) && $b tar cf - d | $b tar tf -
$b find d -type f | $b sort | $b xargs $b wc -l
$b grep -c 1 d/f && $b sed -n '2,4p' d/f
echo '{"a":1}' | $b tr -d '{}' && $b expr 6 \* 7 && $b printf '%05d\n' 42
echo '2^100' | $b bc 2>/dev/null || $b dc -e '2 p' 2>/dev/null || true
$b sh -c 'for i in 1 2 3; do (exit $i); echo $?; done; sleep 0.05 & wait; kill -9 $$' || echo "status $?"
