# SPDX-License-Identifier: MIT
# large: nginx-light apache2-utils curl
# needs: nginx ab curl
# timeout: 120
# may: unwind libc.so.6 _dl_catch_exception
# nginx with two workers and a thread pool: files, compression, a proxy to itself, load, a reload under way, a clean end.
set -eu
. "$TESTS/lib/nginx.sh"
seq 1 2000 >$d/www/f && seq 1 200000 >$d/www/big
start_nginx "access_log $d/access.log; gzip on; gzip_types *; gzip_min_length 100; sendfile on; aio threads;" \
	"listen 127.0.0.1:$port reuseport;
	location /echo { return 200 \"\$args\\n\"; }
	location /p/ { proxy_pass $u/; }"
curl -sS $u/f | cmp - $d/www/f && echo file
curl -sS $u/p/f | cmp - $d/www/f && echo proxy
curl -sS --compressed $u/big | cmp - $d/www/big && echo compressed
curl -sS "$u/echo?a=1"
load() { ab -q "$@" >$d/ab 2>&1; grep -E "Complete|Failed|Non-2xx|Document Length" $d/ab; }
load -n 3000 -c 20 -k $u/f
load -n 1000 -c 20 $u/p/f &
nginx -c $d/conf -s reload 2>/dev/null
wait $!
curl -sS -o /dev/null -w '%{http_code}\n' $u/missing
stop_nginx
