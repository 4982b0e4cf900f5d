'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const KINDS = data.kinds, VERDICTS = data.verdicts;
const [NAME, KIND, MARKS, CLOSURE, VERDICT, VETOES, BLOCKS, ALONE, USERS, FINDINGS, NEEDS, MORE] = Array(12).keys();
const PAGE = 200, CONFIDENCE = ['info', 'low', 'medium', 'high'];
const state = { q: '', kind: '', show: '', sort: 'name', file: '' };
let limit = PAGE;

function el(tag, props, ...children) {
	const e = Object.assign(document.createElement(tag), props);
	e.append(...children.filter(c => c !== null && c !== undefined));
	return e;
}

function mark(f, bit) {
	const yes = f[MARKS] & bit;
	return el('span', { className: 'tag ' + (yes ? 'yes' : 'no'), textContent: yes ? 'yes' : 'no' });
}

function verdict(f) {
	if (KINDS[f[KIND]] !== 'program' || !f[CLOSURE])
		return '';
	const v = VERDICTS[f[CLOSURE]];
	const text = v === 'enabled' ? 'ready' : v === 'vetoed' ? 'vetoed by ' + f[VETOES] : v;
	const cls = v === 'enabled' ? 'yes' : v === 'vetoed' ? 'maybe' : 'no';
	return el('span', { className: 'tag ' + cls, textContent: text });
}

/* the findings that say more than "not marked" */
const telling = f => f[FINDINGS].filter(x => data.rules[x[0]].name !== 'unmarked');

function matches(f) {
	if (state.kind && KINDS[f[KIND]] !== state.kind)
		return false;
	if (state.show === 'marked' && !(f[MARKS] & 2) || state.show === 'unmarked' && f[MARKS] & 2)
		return false;
	if (state.show === 'findings' && !telling(f).length || state.show === 'blocks' && !f[BLOCKS])
		return false;
	if (state.show.startsWith('rule:') && !f[FINDINGS].some(x => data.rules[x[0]].name === state.show.slice(5)))
		return false;
	if (state.show.startsWith('verdict:') && VERDICTS[f[CLOSURE]] !== state.show.slice(8))
		return false;
	return !state.q || f[NAME].toLowerCase().includes(state.q.toLowerCase());
}

function order(a, b) {
	const x = data.files[a], y = data.files[b];
	if (state.sort === 'blocks')
		return y[BLOCKS] - x[BLOCKS] || y[ALONE] - x[ALONE] || a - b;
	if (state.sort === 'findings')
		return telling(y).length - telling(x).length || a - b;
	return a - b;
}

function row(i) {
	const f = data.files[i], n = telling(f).length;
	const tr = el('tr', {}, el('td', { className: 'name', textContent: f[NAME] }), el('td', { textContent: KINDS[f[KIND]] }),
		el('td', {}, mark(f, 2)), el('td', { className: 'wide' }, mark(f, 1)), el('td', {}, verdict(f)),
		el('td', { className: 'n wide', textContent: f[BLOCKS] || '' }), el('td', { className: 'n', textContent: n || '' }));
	tr.dataset.i = i;
	tr.tabIndex = 0;
	if (f[NAME] === state.file)
		tr.className = 'chosen';
	return tr;
}

function list() {
	const found = [];
	data.files.forEach((f, i) => { if (matches(f)) found.push(i); });
	found.sort(order);
	$('rows').replaceChildren(...found.slice(0, limit).map(row));
	$('count').textContent = found.length + (found.length === 1 ? ' file' : ' files') +
		(found.length > limit ? ', the first ' + limit + ' shown' : '');
	$('more').hidden = found.length <= limit;
}

function pair(dl, name, ...value) {
	dl.append(el('dt', { textContent: name }), el('dd', {}, ...value));
}

function finding(x) {
	const rule = data.rules[x[0]], [, confidence, place, detail] = x;
	return el('div', { className: 'finding ' + CONFIDENCE[confidence] },
		el('p', {}, el('b', { textContent: rule.name }), ' (' + CONFIDENCE[confidence] + '): ' + rule.title),
		place ? el('p', {}, 'at ', el('code', { textContent: place })) : null,
		detail ? el('p', { className: 'mono', textContent: detail }) : null,
		el('p', { className: 'dim', textContent: rule.help }));
}

/* ---- what a program loads, as a picture: columns by distance, unmarked libraries in the colour of trouble */
function layers(start) {
	const depth = new Map([[start, 0]]), columns = [[start]], edges = [];
	for (let d = 0; d < columns.length; d++)
		for (const node of columns[d]) {
			if (typeof node === 'string')
				continue;
			for (const [to, how] of data.files[node][NEEDS]) {
				if (how === 2 && d)
					continue; /* guesses of the libraries would be a thicket */
				if (!depth.has(to)) {
					depth.set(to, d + 1);
					(columns[d + 1] ||= []).push(to);
				}
				edges.push([node, to, how]);
			}
		}
	return { columns, edges };
}

function picture(start) {
	const { columns, edges } = layers(start), W = 230, H = 26, GAP = 70, NS = 'http://www.w3.org/2000/svg';
	const height = Math.max(...columns.map(c => c.length)) * (H + 8) + 16, at = new Map();
	const svg = document.createElementNS(NS, 'svg'), put = (tag, props, parent = svg) => {
		const e = document.createElementNS(NS, tag);
		for (const [k, v] of Object.entries(props))
			e.setAttribute(k, v);
		parent.append(e);
		return e;
	};
	columns.forEach((c, x) => c.forEach((n, y) => at.set(n, {
		x: 8 + x * (W + GAP), y: 8 + (height - 16 - c.length * (H + 8)) / 2 + y * (H + 8) })));
	svg.setAttribute('width', columns.length * (W + GAP) - GAP + 16);
	svg.setAttribute('height', height);
	svg.setAttribute('role', 'img');
	svg.setAttribute('aria-label', 'what ' + data.files[start][NAME] + ' loads');
	const bad = n => typeof n !== 'string' && !(data.files[n][MARKS] & 2);
	for (const [from, to, how] of edges) {
		const a = at.get(from), b = at.get(to);
		if (b.x <= a.x)
			continue;
		const x1 = a.x + W, y1 = a.y + H / 2, y2 = b.y + H / 2, m = (x1 + b.x) / 2;
		put('path', { d: `M${x1},${y1} C${m},${y1} ${m},${y2} ${b.x},${y2}`,
			class: (bad(to) ? 'bad' : '') + (how ? ' guess' : '') });
	}
	for (const [n, p] of at) {
		const gone = typeof n === 'string', g = put('g', {}), name = gone ? n : data.files[n][NAME];
		put('rect', { x: p.x, y: p.y, width: W, height: H, rx: 5, class: 'box ' + (gone ? 'gone' : bad(n) ? 'no' : 'yes') }, g);
		const base = name.split('/').pop(), text = put('text', { x: p.x + 8, y: p.y + 17 }, g);
		text.textContent = base.length > 29 ? base.slice(0, 28) + '…' : base;
		put('title', {}, g).textContent = name + (gone ? ': not found' : bad(n) ? ': not marked' : ': marked');
		if (!gone)
			g.addEventListener('click', () => choose(n));
	}
	return el('div', { className: 'picture' }, svg);
}

function detail(i) {
	const f = data.files[i], more = f[MORE] || {}, dl = el('dl');
	pair(dl, 'kind', KINDS[f[KIND]]);
	pair(dl, 'marks', 'SHSTK ', mark(f, 2), ' IBT ', mark(f, 1));
	if (f[CLOSURE] && KINDS[f[KIND]] === 'program') {
		pair(dl, 'by marks', verdict(f));
		pair(dl, 'here', VERDICTS[f[VERDICT]] === 'no support' ? 'its C library never turns shadow stacks on' : VERDICTS[f[VERDICT]]);
	}
	if (f[USERS])
		pair(dl, 'loaded by', f[USERS] + ' programs at start' + (f[BLOCKS] ? '; in the way of ' + f[BLOCKS] + ', alone in the way of ' +
			f[ALONE] : ''));
	for (const [name, value] of Object.entries(more))
		if (name !== 'seen')
			pair(dl, name, el('span', { className: 'mono', textContent: value }));
	for (const [cls, place, report] of more.seen || [])
		pair(dl, 'seen', cls === 'ran' ? 'ran' : cls + (place ? ' at ' + place : ''), el('span', { className: 'dim', textContent: ' in ' + report }));
	$('detail').replaceChildren(el('h3', { textContent: f[NAME] }), dl, ...f[FINDINGS].map(finding),
		f[NEEDS].length ? picture(i) : null);
	$('detail').hidden = false;
}

function remember() {
	const p = new URLSearchParams(Object.entries(state).filter(([k, v]) => v && !(k === 'sort' && v === 'name')));
	history.replaceState(null, '', p.size ? '#' + p : location.pathname);
}

function choose(i) {
	state.file = data.files[i][NAME];
	detail(i);
	for (const tr of $('rows').children)
		tr.className = +tr.dataset.i === i ? 'chosen' : '';
	remember();
	$('detail').scrollIntoView({ block: 'nearest' });
}

function changed() {
	state.q = $('q').value;
	state.kind = $('kind').value;
	state.show = $('show').value;
	state.sort = $('sort').value;
	limit = PAGE;
	list();
	remember();
}

function options(select, entries) {
	select.append(...entries.map(([value, text]) => el('option', { value, textContent: text })));
}

function from_address() {
	const p = new URLSearchParams(location.hash.slice(1));
	for (const k of Object.keys(state))
		state[k] = p.get(k) || (k === 'sort' ? 'name' : '');
	for (const k of ['q', 'kind', 'show', 'sort'])
		$(k).value = state[k];
	list();
	const i = state.file ? data.files.findIndex(f => f[NAME] === state.file) : -1;
	$('detail').hidden = i < 0;
	if (i >= 0)
		detail(i);
	return i >= 0 || state.show;
}

options($('kind'), [['', 'every kind'], ...KINDS.filter(k => data.files.some(f => KINDS[f[KIND]] === k)).map(k => [k, k])]);
options($('show'), [['', 'all'], ['marked', 'marked'], ['unmarked', 'not marked'], ['blocks', 'in the way of programs'],
	['findings', 'with findings'], ...['enabled', 'vetoed', 'unmarked', 'incomplete'].map(v => ['verdict:' + v, 'programs: ' +
	(v === 'enabled' ? 'ready' : v)]), ...data.rules.filter((r, i) => data.files.some(f => f[FINDINGS].some(x => x[0] === i)))
	.map(r => ['rule:' + r.name, 'finding: ' + r.name])]);
options($('sort'), [['name', 'by name'], ['blocks', 'by programs in whose way'], ['findings', 'by findings']]);
for (const id of ['q', 'kind', 'show', 'sort'])
	$(id).addEventListener('input', changed);
$('more').addEventListener('click', () => { limit += 5 * PAGE; list(); });
document.addEventListener('click', e => {
	const tr = e.target.closest('tr[data-i]');
	if (tr)
		choose(+tr.dataset.i);
});
document.addEventListener('keydown', e => {
	if (e.key === 'Enter' && e.target.matches('tr[data-i]'))
		choose(+e.target.dataset.i);
});
addEventListener('hashchange', () => { if (from_address()) $('files').scrollIntoView(); });
if (from_address())
	$('files').scrollIntoView();
