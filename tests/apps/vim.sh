# SPDX-License-Identifier: MIT
# large: vim
# needs: vim
# timeout: 120
# modes: tiny flush=1000
set -eu
seq 1 2000 >file
cat >script.vim <<'END'
set nomore
%s/\v(\d)(\d)/\2\1/g
g/7/normal Ax
function! Fib(n)
  return a:n < 2 ? a:n : Fib(a:n - 1) + Fib(a:n - 2)
endfunction
call append(0, 'fib ' . Fib(16))
sort n
call append('$', map(range(50), 'v:val * v:val'))
call append('$', split(system('echo from shell'), "\n"))
wq
END
vim -u NONE -i NONE -n -es -S script.vim file || echo "status $?"
wc -l file && md5sum file && tail -2 file
