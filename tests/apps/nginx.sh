# SPDX-License-Identifier: MIT
# large: nginx-light apache2-utils curl
# needs: nginx ab curl
# timeout: 120
# may: unwind libc.so.6 _dl_catch_exception
# nginx with two workers and a thread pool: files, compression, a proxy to itself, load, a reload under way, a clean end.
set -eu
d=$(mktemp -d /tmp/gnomon-nginx.XXXXXX)
trap 'rm -rf "$d"' EXIT
chmod 755 $d && mkdir $d/www && seq 1 2000 >$d/www/f && seq 1 200000 >$d/www/big
port=$((20000 + $$ % 10000))
cat >$d/conf <<END
worker_processes 2;
pid $d/pid;
error_log $d/error.log;
events { worker_connections 256; }
http {
	access_log $d/access.log;
	gzip on; gzip_types *; gzip_min_length 100; sendfile on; aio threads;
	server {
		listen 127.0.0.1:$port reuseport; root $d/www;
		location /echo { return 200 "\$args\n"; }
		location /p/ { proxy_pass http://127.0.0.1:$port/; }
	}
}
END
nginx -c $d/conf 2>&1
while [ ! -s $d/pid ]; do sleep 0.1; done
u=http://127.0.0.1:$port
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
p=$(cat $d/pid)
nginx -c $d/conf -s quit 2>/dev/null
while kill -0 $p 2>/dev/null; do sleep 0.1; done
grep -E "alert|emerg|crit" $d/error.log || echo "no alert"
