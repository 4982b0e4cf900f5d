# SPDX-License-Identifier: MIT
# large: guile-3.0
# needs: guile
# timeout: 120
# expect: never-called (generated) -
# may: * (generated) -
# may: * libguile-*.so.* *
# The JIT pops what a call has pushed, keeps it in its own frames and returns there by pushing it again.
# Guile: its compiler and JIT, continuations, delimited too, dynamic winding, exceptions, threads, signals, big numbers, a child.
set -eu
cat >prog.scm <<'END'
(use-modules (ice-9 threads) (ice-9 regex) (ice-9 popen) (ice-9 rdelim) (ice-9 control))
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(format #t "~a\n" (fib 27))
(define (deep n) (if (zero? n) 0 (+ 1 (deep (- n 1)))))
(format #t "deep ~a\n" (deep 100000))
(define (generator l)
  (define return #f)
  (define resume (lambda (x) (for-each (lambda (x) (call/cc (lambda (next) (set! resume next) (return x)))) l) (return 'end)))
  (lambda () (call/cc (lambda (r) (set! return r) (resume #f)))))
(define g (generator '(1 2 3)))
(let* ((a (g)) (b (g)) (c (g)) (d (g))) (format #t "~a\n" (list a b c d)))
(define tag (make-prompt-tag))
(define (yield x) (abort-to-prompt tag x))
(define (each thunk) (let go ((t thunk) (seen '()))
  (call-with-prompt tag (lambda () (t) (reverse seen)) (lambda (k x) (go (lambda () (k x)) (cons x seen))))))
(format #t "~a\n" (apply + (each (lambda () (do ((i 0 (+ i 1))) ((= i 500)) (yield (* i i)))))))
(define trace '())
(catch 'stop
  (lambda () (dynamic-wind (lambda () (set! trace (cons 'in trace))) (lambda () (throw 'stop 5)) (lambda () (set! trace (cons 'out trace)))))
  (lambda (key v) (format #t "caught ~a ~a ~a\n" key v trace)))
(format #t "~a\n" (with-exception-handler (lambda (e) 42) (lambda () (vector-ref (vector 1 2) 9)) #:unwind? #t))
(define total 0)
(define m (make-mutex))
(define ts (map (lambda (i) (call-with-new-thread (lambda () (do ((j 0 (+ j 1))) ((= j 2000)) (with-mutex m (set! total (+ total i)))) (fib 15)))) (iota 8)))
(let ((r (map join-thread ts))) (format #t "~a ~a\n" r total))
(format #t "~a\n" (par-map fib '(10 15 20)))
(format #t "~a ~a\n" (modulo (expt 7 5000) 1000003) (string-length (number->string (expt 3 20000))))
(define seen #f)
(sigaction SIGUSR1 (lambda (s) (set! seen s)))
(kill (getpid) SIGUSR1)
(let wait () (if (not seen) (begin (usleep 1000) (wait))))
(format #t "signal ~a\n" (= seen SIGUSR1))
(let* ((p (open-input-pipe "echo child; exit 3")) (l (read-line p))) (format #t "~a ~a\n" l (status:exit-val (close-pipe p))))
(format #t "~a\n" (sort (map string-upcase (string-split "the quick brown fox" #\space)) string<?))
(format #t "~a\n" (regexp-substitute/global #f "[0-9]+" "a1b22c333" 'pre "#" 'post))
(let loop ((i 0) (l '())) (if (< i 300000) (loop (+ i 1) (if (zero? (modulo i 1000)) '() (cons (make-vector 5 i) l)))))
(gc)
(exit 3)
END
export GUILE_AUTO_COMPILE=0
guile prog.scm || echo "status $?"
guile -c '(use-modules (system base compile)) (compile-file "prog.scm" #:output-file "prog.go" #:optimization-level 2)' >/dev/null
guile -c '(load-compiled "./prog.go")' || echo "status $?"
# everything by the JIT, nothing by it
GUILE_JIT_THRESHOLD=0 guile -c '(load-compiled "./prog.go")' | md5sum
GUILE_JIT_THRESHOLD=-1 guile -c '(load-compiled "./prog.go")' | md5sum
