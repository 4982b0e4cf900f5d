# SPDX-License-Identifier: MIT
# large: zsh fish tmux
# needs: zsh fish tmux
# timeout: 120
# may: unwind * *
# Interactive shells, one of them in a terminal of tmux.
set -eu
zsh -c 'for i in {1..1000}; do x=$((x+i)); done; echo $x; print -l a b | sort -r; (exit 3); echo $?; TRAPUSR1() { echo usr1 }; kill -USR1 $$'
fish -c 'for i in (seq 50); math $i + 1; end | tail -n 1; function f; echo in f $argv; end; f (echo a | tr a b)'
tmux -L "gnomon-$$" -f /dev/null new-session -d -x 80 -y 24 'zsh -f'
tmux -L "gnomon-$$" send-keys 'echo a$((6*7))b > typed; exit' Enter
while tmux -L "gnomon-$$" has-session 2>/dev/null; do sleep 0.1; done
cat typed
