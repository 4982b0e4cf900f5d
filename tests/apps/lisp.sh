# SPDX-License-Identifier: MIT
# large: sbcl ecl chezscheme racket emacs-nox
# needs: sbcl ecl scheme racket emacs
# timeout: 180
# may: never-called sbcl.core *
# may: stack-switch sbcl.core *
# may: overwritten sbcl.core *
# may: * (generated) -
# may: unwind * *
# Systems with stacks, calls and collectors of their own: SBCL (its guard pages, threads stopped by signals), ECL (setjmp), Chez
# Scheme and Racket (continuations), Emacs (its own longjmp, threads).
set -eu
cat >prog.lisp <<'END'
(defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(format t "~a~%" (fib 24))
(handler-case (error "raised") (error (e) (format t "caught ~a~%" e)))
(format t "~a~%" (let ((l nil)) (dotimes (i 500000 (length l)) (push i l))))
(handler-case (/ 1 (- 1 1)) (division-by-zero () (format t "division~%")))
(format t "~a~%" (catch 'x (unwind-protect (throw 'x (expt 3 200)) (format t "cleanup~%"))))
#+sbcl (sb-ext:gc :full t)
#+sbcl (handler-case (labels ((f (x) (+ 1 (f x)))) (f 1)) (storage-condition () (format t "stack~%")))
#+sbcl (format t "~a~%" (mapcar #'sb-thread:join-thread
  (loop for i below 4 collect (sb-thread:make-thread (lambda () (loop repeat 200000 collect 1) :ok)))))
END
sbcl --noinform --no-sysinit --no-userinit --disable-debugger --load prog.lisp --quit 2>/dev/null
ecl --shell prog.lisp
cat >prog.ss <<'END'
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(display (fib 25)) (newline)
(display (call/cc (lambda (k) (for-each (lambda (x) (if (> x 3) (k x))) '(1 2 3 4 5)) 0))) (newline)
(define (gen n) (let loop ((i 0) (acc '())) (if (= i n) (length acc) (loop (+ i 1) (cons i acc)))))
(display (gen 500000)) (newline)
(display (guard (e (#t "caught")) (vector-ref (vector 1 2) 5))) (newline)
END
scheme --script prog.ss
cat >prog.rkt <<'END'
#lang racket/base
(require racket/future)
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(displayln (with-handlers ([exn? exn-message]) (error "raised")))
(for-each thread-wait (for/list ([i 100]) (thread (lambda () (sleep 0) i))))
(displayln (apply + (map touch (for/list ([i 4]) (future (lambda () (fib 18)))))))
END
racket prog.rkt
cat >prog.el <<'END'
(defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(princ (format "%s\n" (fib 18)))
(princ (format "%s\n" (condition-case e (car 5) (error (car e)))))
(princ (format "%s\n" (catch 'x (dotimes (i 10) (if (= i 5) (throw 'x i))))))
(with-temp-buffer (dotimes (i 10000) (insert (number-to-string i) "\n")) (goto-char 1) (princ (format "%d\n" (how-many "9"))))
(princ (format "%s\n" (thread-join (make-thread (lambda () 42)))))
(princ (format "%s\n" (let ((max-lisp-eval-depth 100000000)) (defun f (x) (1+ (f x))) (condition-case e (f 1) (error (car e))))))
(princ (shell-command-to-string "echo from a shell"))
END
emacs -Q --batch -l prog.el
