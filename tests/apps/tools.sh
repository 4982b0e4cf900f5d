# SPDX-License-Identifier: MIT
# timeout: 120
# modes: tiny flush=500
# dash, coreutils, findutils, grep, sed, diff, xargs over a tree of generated files.
set -eu
mkdir tree
i=0
while [ $i -lt 120 ]; do
	mkdir -p tree/d$((i % 11))/e$((i % 4))
	seq $i $((i * 3)) >tree/d$((i % 11))/e$((i % 4))/f$i
	i=$((i + 1))
done
find tree -type f | sort | wc -l
find tree -name 'f*1' -newermt 2000-01-01 -size -2 -exec wc -l {} + | sort | tail -3
find tree -type f -print0 | sort -z | xargs -0 -n 7 cat | md5sum
find tree -type f | sort | xargs -P 2 -n 20 sha1sum | sort -k2 | sha256sum
grep -rc 11 tree | sort | head -5
grep -rhoE '[13]{2,}' tree | sort | uniq -c | sort -rn | head -5
grep -P '(?<=1)2+$' -r tree | wc -l
sed -n '/^1[0-9]$/{s/1/one /;p}' tree/d3/e2/f14 | head -4
sed -E ':a;N;$!ba;s/\n([0-9])/,\1/g' tree/d5/e1/f5 | cut -c1-60
sort -R --random-source=tree/d1/e1/f89 tree/d0/e0/f88 | md5sum
seq 1 20000 | sort -k1,1 | uniq -w 3 -c | sort -n | tail -2
seq 1 5000 | shuf --random-source=tree/d0/e0/f88 | sort -n | tail -1
paste -d: tree/d1/e1/f1 tree/d2/e2/f2 | tr 0-9 a-j
join -t' ' /dev/stdin tree/d0/e0/f88 <tree/d0/e0/f88 | tail -1
comm -12 tree/d0/e0/f88 tree/d0/e0/f88 | wc -l
diff -ru tree/d1 tree/d2 | wc -l || true
cmp tree/d1/e1/f1 tree/d2/e2/f2 || echo "differs $?"
od -A x -t x1z tree/d1/e1/f1 | head -2
split -n l/5 tree/d0/e0/f88 part. && ls part.* | wc -l
csplit -s tree/d0/e0/f88 /100/ && ls xx*
fold -w 20 tree/d0/e0/f88 | pr -3 -t | head -2
date -u -d @1700000000 +%F_%T
factor 1234567891011 97 1000003
expr 12345 \* 678 / 9
numfmt --to=iec 123456789
printf '%s %d %x %e\n' text 42 255 3.5
env -i A=1 B=2 env | sort
(ulimit -n 64; ls tree | wc -l)
timeout 0.1 sleep 5 || echo "timeout $?"
nice -n 3 true && nohup true 2>/dev/null
stdbuf -oL seq 3 | tee copy | tac
ln -s tree link && readlink link && cp -a tree tree2 && rm -r tree && ls -1 tree2 | head -2
du -s --apparent-size tree2 | cut -f1 >/dev/null
chmod 700 tree2 && stat -c '%a %F' tree2
mkfifo fifo && { cat fifo & echo through fifo >fifo; wait; }
dd if=/dev/zero bs=1000 count=77 2>/dev/null | base64 -w0 | base64 -d | wc -c
[ -t 0 ] || echo "no terminal"
dash -c 'f() { if [ $1 -gt 0 ]; then f $(($1 - 1)); else echo bottom; fi; }; f 300'
dash -c 'trap "echo bye" EXIT; (exit 4); echo $?; kill -9 $$' || echo "dash $?"
