// SPDX-License-Identifier: MIT
// JIT row: recursion, classes, maps, JSON, regular expressions, typed arrays.
'use strict';
const rounds = +process.argv[2];
let s = 12345;
const rnd = n => (s = (s * 1103515245 + 12345) & 0x7fffffff) % n;
const fib = n => (n < 2 ? n : fib(n - 1) + fib(n - 2));
class Shape { area() { return 0; } }
class Square extends Shape { constructor(a) { super(); this.a = a; } area() { return this.a * this.a; } }
class Rect extends Square { constructor(a, b) { super(a); this.b = b; } area() { return this.a * this.b; } }
let out = 0;
for (let r = 0; r < rounds; r++) {
	out += fib(22);
	const shapes = Array.from({ length: 4000 }, () => (rnd(2) ? new Square(rnd(9)) : new Rect(rnd(9), rnd(9))));
	out += shapes.reduce((t, x) => t + x.area(), 0);
	const m = new Map();
	for (let i = 0; i < 20000; i++) { const k = 'k' + rnd(500); m.set(k, (m.get(k) || 0) + i); }
	const j = JSON.parse(JSON.stringify([...m].map(([k, v]) => ({ k, v, t: [k, v] }))));
	out += j.length;
	out += j.map(x => x.k).join(' ').replace(/k(\d)(\d*)/g, (_, a, b) => b + a).split(/\s+/).length;
	const f = new Float64Array(20000);
	for (let i = 1; i < f.length; i++) f[i] = Math.sqrt(f[i - 1] + i);
	out += Math.round(f[f.length - 1]);
}
console.log(out);
