# SPDX-License-Identifier: MIT
function scale(n, unit) { return n < 1000 ? int(n) unit : scale(n / 1000, unit "k") }
function weight(w,   i, s) {
	s = 0
	for (i = 1; i <= length(w); i++)
		s += index("etaoinshrdlu", substr(w, i, 1))
	return s
}
{
	host[$1] += $NF
	split($0, q, "\"")
	if (match(q[2], /\/[a-z]+(\/|\.)/))
		part[substr(q[2], RSTART, RLENGTH)]++
	n = split(tolower(q[2]), w, /[^a-z]+/)
	for (i = 1; i <= n; i++)
		if (w[i] ~ /^[b-t].*[aeiou]/)
			words[w[i]] += weight(w[i])
	gsub(/[0-9]+/, "#")
	shape[substr($0, 1, 24)]++
}
END {
	n = asorti(words, order)
	for (i = 1; i <= n && i <= 20; i++)
		print order[i], words[order[i]]
	m = asorti(part, order)
	for (i = 1; i <= m; i++)
		print order[i], part[order[i]]
	t = 0
	for (h in host)
		t += host[h]
	print length(host), length(shape), scale(t, "")
}
