# SPDX-License-Identifier: MIT
# setup: yes
# launcher: /bin/bash
# timeout: 120
# modes: tiny flush=500
# expect: unwind bash test_command
# expect: unwind bash -
# A generated bash script of 2000 lines: functions, subshells, pipelines, here documents, traps, arrays, arithmetic.
set -eu
if [ "${1-}" = setup ]; then
	{
		echo 'set -u'
		echo 'total=0'
		for i in $(seq 1 200); do
			cat <<-END
			f$i() {
			  local a=\$1 b=\${2:-$i}
			  if (( (a + b) % 3 == 0 )); then echo "\$((a * $i)):\${b}"; else printf '%s-%d\n' "\${a}x" "\$((b + $i))"; fi
			  return \$(( (a + $i) % 7 ))
			}
			x=\$(f$i \$((total % 100)) $i) || total=\$((total + \$?))
			arr[$i]=\${x//-/+}
			total=\$((total + \${#x}))
			END
		done
		for i in $(seq 1 60); do
			cat <<-END
			( cd / && total=\$((total + $i)) && echo "sub $i \$total" )
			f$i $i | sed 's/x/y/' | tr a-z A-Z
			case \${arr[$i]} in *+*) echo plus ;; *:*) echo colon ;; esac
			while read -r w n; do total=\$((total + n)); done <<<"word $i"
			cat <<EOF | wc -c
			line $i \$total
			EOF
			[[ \${arr[$i]} =~ ([0-9]+).([0-9]+) ]] && echo "\${BASH_REMATCH[1]} \${BASH_REMATCH[2]}"
			END
		done
		cat <<-'END'
		trap 'echo "exit trap $total"' EXIT
		trap 'echo usr1' USR1
		kill -USR1 $$
		for i in {1..20}; do (exit $i) || echo "status $?"; done
		sleep 0.05 & p=$!; wait $p; echo "waited $?"
		(kill -TERM $BASHPID) 2>/dev/null || echo "killed $?"
		{ echo one; echo two >&2; } 2>&1 | sort | while read -r l; do echo "got $l"; done
		diff <(seq 1 5) <(seq 1 2 9) | head -3
		coproc cat; echo "through coproc" >&${COPROC[1]}; read -r l <&${COPROC[0]}; echo "$l"; kill $COPROC_PID
		mapfile -t m < <(printf '%s\n' c a b | sort); echo "${m[*]}"
		echo "${arr[@]:5:3} ${!arr[@]}" | cksum
		END
	} >script
	test "$(wc -l <script)" -ge 2000
	exit 0
fi
# more than the shell itself can count on to be the same is left out of the output
bash "$SETUP/script" 2>err
echo "status $?"
cat err
bash -c 'echo "$0 $# $*"' name a "b c"
echo 'echo from stdin $1' | bash -s arg
bash -n "$SETUP/script" && echo syntax
