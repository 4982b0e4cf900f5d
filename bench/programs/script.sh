# SPDX-License-Identifier: MIT
# Recursive functions and string work, without a child process.
fib() {
	local n=$1
	if ((n < 2)); then
		R=$n
		return
	fi
	local a
	fib $((n - 1))
	a=$R
	fib $((n - 2))
	R=$((R + a))
}
reverse() {
	local s=$1 i
	R=
	for ((i = ${#s} - 1; i >= 0; i--)); do
		R+=${s:i:1}
	done
}
declare -A seen
for ((round = 0; round < $1; round++)); do
	fib 13
	f=$R
	for w in alpha beta gamma delta epsilon zeta eta theta iota kappa; do
		reverse "$w$round$w"
		seen[$R]=$((${seen[$R]:-0} + f))
		case $R in
		a*a*) seen[a]=$((${seen[a]:-0} + 1)) ;;
		[b-m]*) seen[m]=$((${seen[m]:-0} + 1)) ;;
		esac
		R=${R//a/[a]}
		R=${R^^}
	done
done
echo "$f ${#seen[@]} ${seen[a]} ${seen[m]} $R"
