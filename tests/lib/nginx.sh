# SPDX-License-Identifier: MIT
# nginx for tests/apps: two workers that serve $d/www at $u, a folder that is gone afterwards. To be read with `.`
d=$(mktemp -d /tmp/gnomon-nginx.XXXXXX)
trap 'rm -rf "$d"' EXIT
chmod 755 "$d" && mkdir "$d/www"
port=$((20000 + $$ % 10000))
u=http://127.0.0.1:$port

# start_nginx HTTP SERVER: what stands in these blocks besides
start_nginx() {
	cat >"$d/conf" <<END
worker_processes 2;
pid $d/pid;
error_log $d/error.log;
events { worker_connections 256; }
http {
	$1
	server {
		root $d/www;
		$2
	}
}
END
	nginx -c "$d/conf" 2>&1
	while [ ! -s "$d/pid" ]; do sleep 0.1; done
}

# a clean end; what it complained of
stop_nginx() {
	p=$(cat "$d/pid")
	nginx -c "$d/conf" -s quit 2>/dev/null
	while kill -0 "$p" 2>/dev/null; do sleep 0.1; done
	grep -E "alert|emerg|crit" "$d/error.log" || echo "no alert"
}
