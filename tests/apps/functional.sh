# SPDX-License-Identifier: MIT
# large: ghc ocaml-nox swi-prolog-nox
# needs: ghc ocamlopt swipl
# timeout: 240
# modes: tiny
# expect: never-called camlprog caml_raise_exn
# may: * camlprog *
# may: * ocaml* *
# may: unwind * *
# Haskell: compiler, threads on two cores, exceptions. OCaml: exceptions that reset the stack pointer, a stack overflow.
# Prolog: backtracking, exceptions.
set -eu
cat >prog.hs <<'END'
import Control.Concurrent
import Control.Exception
import qualified Data.Map as M
fib :: Int -> Integer
fib n = if n < 2 then toInteger n else fib (n-1) + fib (n-2)
main = do
  print (fib 22)
  print (M.foldr (+) 0 (M.fromList [(i, i*i) | i <- [1..20000::Int]]))
  mv <- newEmptyMVar
  mapM_ (\i -> forkIO (putMVar mv (i*i))) [1..1000::Int]
  xs <- mapM (const (takeMVar mv)) [1..1000::Int]
  print (sum xs)
  r <- try (evaluate (1 `div` (0::Int))) :: IO (Either ArithException Int)
  print r
END
ghc -v0 -O1 -threaded -o hsprog prog.hs
./hsprog +RTS -N2
cat >camlprog.ml <<'END'
exception Foo of int
let rec fib n = if n < 2 then n else fib (n-1) + fib (n-2)
let () = Printf.printf "%d\n" (fib 27)
let rec deep n = if n = 0 then 0 else 1 + deep (n-1)
let () = try raise (Foo 3) with Foo n -> Printf.printf "foo %d\n" n
let rec down n = if n = 0 then raise (Foo 7) else 1 + down (n-1)
let () = for _ = 1 to 100 do try ignore (down 100) with Foo n -> assert (n = 7) done
let () = try Printf.printf "%d\n" (deep 100000000) with Stack_overflow -> print_endline "overflow"
let () = try ignore (String.get "abc" 5) with Invalid_argument s -> print_endline s
let h = Hashtbl.create 10
let () = for i = 0 to 100000 do Hashtbl.replace h i (string_of_int i) done; Printf.printf "%d\n" (Hashtbl.length h)
END
ocamlopt camlprog.ml -o camlprog
./camlprog
ocaml camlprog.ml
cat >prog.pl <<'END'
fib(0,0). fib(1,1). fib(N,F):-N>1,A is N-1,B is N-2,fib(A,X),fib(B,Y),F is X+Y.
:- initialization((fib(16,F),write(F),nl,catch(atom_length(_,_),_,(write(caught),nl)),
  numlist(1,100000,L),sum_list(L,S),write(S),nl,halt)).
END
swipl prog.pl
