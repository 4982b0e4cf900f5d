# SPDX-License-Identifier: MIT
# large: r-base-core octave
# needs: Rscript octave
# timeout: 180
# may: unwind * *
# R and Octave with BLAS, errors caught, deep recursion.
set -eu
cat >prog.R <<'END'
fib <- function(n) if (n < 2) n else fib(n - 1) + fib(n - 2)
print(fib(16)); print(tryCatch(stop("x"), error = function(e) conditionMessage(e)))
set.seed(1); print(summary(lm(y ~ x, data.frame(x = 1:100, y = (1:100) * 2 + rnorm(100))))$r.squared)
print(tryCatch({ f <- function() f(); f() }, error = function(e) "deep"))
END
Rscript prog.R
cat >prog.m <<'END'
A = magic(40) + eye(40); B = A * inv(A); disp(norm(B - eye(40)) < 1e-6);
try error('x'); catch e, disp(e.message); end
disp(sum(primes(1000))); disp(real(sum(fft(1:1024))));
END
octave --no-gui -qf prog.m
