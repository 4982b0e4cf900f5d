# SPDX-License-Identifier: MIT
# large: nodejs
# needs: node
# timeout: 120
# expect: never-called *node* *
# may: unwind *node* *
# may: never-called (generated) -
# may: unwind l*.so* _dl_catch_exception
# V8: async, generators, exceptions, stack overflow, child processes, zlib, crypto, regular expressions, a worker thread.
set -eu
cat >prog.js <<'END'
const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
const { Worker, isMainThread, parentPort } = require('worker_threads');
if (isMainThread) {
	console.log(fib(25));
	async function later() { await new Promise(r => setTimeout(r, 5)); return 5 }
	function* gen() { for (let i = 0; i < 5; i++) yield i }
	console.log([...gen()]);
	try { throw new Error('x') } catch (e) { console.log(e.message) }
	try { (function r() { r() })() } catch (e) { console.log(e.name) }
	console.log(require('child_process').execSync('echo hi').toString());
	console.log(require('crypto').createHash('sha256').update('x').digest('hex'), JSON.stringify({ a: [1, { b: 2 }] }));
	console.log('aXbX'.replace(/X/g, '-'), [3, 1, 2].sort());
	const z = require('zlib');
	console.log(z.gunzipSync(z.gzipSync('hello')).toString());
	let s = 0;
	for (let i = 0; i < 300000; i++) { const o = { a: i, b: [i] }; s += o.a % 7 + o.b.length }
	console.log(s, 'the quick brown fox'.match(/\w+/g).length);
	later().then(x => {
		console.log('async', x);
		const w = new Worker(__filename);
		w.on('message', m => console.log('worker', m));
		w.on('exit', () => process.exit(3));
	});
} else {
	parentPort.postMessage(fib(15));
}
END
node prog.js || echo "status $?"
node -p '1 + 1'
node --jitless -p '[1, 2, 3].map(x => x * x)'
