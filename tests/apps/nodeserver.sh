# SPDX-License-Identifier: MIT
# large: nodejs apache2-utils curl
# needs: node ab curl
# timeout: 120
# expect: never-called node Builtins_*
# may: overwritten node Builtins_*
# may: never-called node *
# may: unwind node *
# may: * (generated) -
# may: unwind libc.so.6 _dl_catch_exception
# Node's HTTP server under load: JSON, compression, a worker for a request; workers at the same time, WebAssembly.
set -eu
cat >server.js <<'END'
const http = require('http'), { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib'), fs = require('fs');
if (!isMainThread) {
	let s = 0; for (let i = 0; i < 1e6; i++) s += i % (workerData + 2);
	parentPort.postMessage(s + crypto.createHash('sha1').update(String(s)).digest('hex'));
} else {
	const srv = http.createServer((q, r) => {
		if (q.url == '/json') { r.setHeader('content-type', 'application/json'); r.end(JSON.stringify({ a: [1, 2, 3], b: 'x'.repeat(100) })); }
		else if (q.url == '/gz') zlib.gzip('x'.repeat(10000), (e, b) => r.end(b));
		else if (q.url == '/w') { const w = new Worker(__filename, { workerData: 5 }); w.on('message', m => r.end(m)); }
		else if (q.url == '/end') { r.end('bye'); srv.close(); srv.closeAllConnections && setTimeout(() => srv.closeAllConnections(), 100); }
		else r.end('hello');
	}).listen(0, '127.0.0.1', async () => {
		const p = srv.address().port;
		fs.writeFileSync(process.argv[2], String(p));
		const ws = [0, 1, 2, 3].map(n => new Promise(ok => new Worker(__filename, { workerData: n }).on('message', ok)));
		console.log(await Promise.all(ws));
		const wasm = new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]);
		const m = await WebAssembly.instantiate(wasm); let x = 0; for (let i = 0; i < 100000; i++) x = m.instance.exports.add(x, i); console.log('wasm', x);
	});
}
END
node server.js port &
node=$!
while [ ! -s port ]; do sleep 0.1; done
u=http://127.0.0.1:$(cat port)
for path in json gz x; do ab -q -n 1000 -c 10 -k $u/$path 2>/dev/null | grep -E "Complete|Failed|Non-2xx"; done
curl -sS $u/w && echo
curl -sS $u/end && echo
wait $node || echo "status $?"
