# SPDX-License-Identifier: MIT
# large: nginx-light nodejs wrk
# needs: nginx node wrk
# timeout: 120
# may: unwind libc.so.6 _dl_catch_exception
# may: never-called *node* *
# may: overwritten *node* Builtins_*
# may: unwind *node* *
# may: * (generated) -
# nginx and node's HTTP server under wrk: two threads of it, 32 connections, for two seconds each. Nothing may fail.
set -eu
. "$TESTS/lib/nginx.sh"
seq 1 500 >$d/www/f
cat >$d/server.js <<'END'
const http = require('http'), fs = require('fs');
let n = 0;
const srv = http.createServer((q, r) => {
	n++;
	if (q.url == '/end') { r.end('bye'); srv.close(); setTimeout(() => srv.closeAllConnections(), 50); return; }
	r.setHeader('content-type', 'application/json');
	r.end(JSON.stringify({ url: q.url, list: [1, 2, 3].map(x => x * x), text: 'x'.repeat(50).replace(/x/g, 'y') }));
}).listen(0, '127.0.0.1', () => fs.writeFileSync(process.argv[2], String(srv.address().port)));
srv.on('close', () => fs.writeFileSync(process.argv[2] + '.many', String(n > 100)));
END
load() {
	wrk -t 2 -c 32 -d 2s "$1" >$d/wrk
	awk '/requests in/ { print ($1 > 100) ? "served" : "too few" } /Non-2xx|Socket errors/' $d/wrk
}
start_nginx "access_log off; keepalive_requests 1000000;" "listen 127.0.0.1:$port;"
load $u/f
stop_nginx
node $d/server.js $d/port &
node=$!
while [ ! -s $d/port ]; do sleep 0.1; done
load http://127.0.0.1:$(cat $d/port)/json
node -e "require('http').get(process.argv[1], r => r.pipe(process.stdout))" http://127.0.0.1:$(cat $d/port)/end && echo
wait $node || echo "status $?"
cat $d/port.many
