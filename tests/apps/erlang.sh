# SPDX-License-Identifier: MIT
# large: erlang-base
# needs: erl erlc escript
# timeout: 180
# expect: stack-switch memfd:vmem* -
# may: * memfd:vmem* *
# may: unwind libc.so.6 _dl_catch_exception
# Erlang with its JIT: thousands of processes, messages, links, exceptions, tables, a socket, a port, big numbers.
set -eu
cat >t.erl <<'END'
-module(t).
-export([main/0, fib/1, ring/2, server/1]).
fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).
ring(0, Me) -> receive X -> Me ! X end;
ring(N, Me) -> Next = spawn(?MODULE, ring, [N - 1, Me]), receive {ring, X} -> Next ! {ring, X + 1} end.
server(L) ->
	{ok, S} = gen_tcp:accept(L),
	serve(S).
serve(S) ->
	case gen_tcp:recv(S, 0) of
		{ok, D} -> gen_tcp:send(S, string:uppercase(D)), serve(S);
		{error, closed} -> ok
	end.
talk(_, 0, N) -> N;
talk(S, I, N) ->
	M = iolist_to_binary(["line ", integer_to_list(I), "\n"]),
	ok = gen_tcp:send(S, M),
	{ok, R} = gen_tcp:recv(S, byte_size(M)),
	talk(S, I - 1, N + byte_size(R)).
main() ->
	io:format("~p~n", [fib(25)]),
	Me = self(),
	Ps = [spawn(fun() -> receive {go, X} -> Me ! {self(), X * I} end end) || I <- lists:seq(1, 5000)],
	[P ! {go, 3} || P <- Ps],
	io:format("processes ~p~n", [lists:sum([receive {P, V} -> V end || P <- Ps])]),
	spawn(?MODULE, ring, [2000, Me]) ! {ring, 0},
	receive {ring, R} -> io:format("ring ~p~n", [R]) end,
	process_flag(trap_exit, true),
	Q = spawn_link(fun() -> exit(oops) end),
	receive {'EXIT', Q, Why} -> io:format("exit ~p~n", [Why]) end,
	io:format("~p~n", [try throw(ball) catch throw:B -> {caught, B} after ok end]),
	io:format("~p~n", [try 1 div (fib(1) - 1) catch error:E -> E end]),
	io:format("~p~n", [try lists:nth(9, [a]) catch error:F -> F end]),
	T = ets:new(t, [public, {write_concurrency, true}]),
	ets:insert(T, {n, 0}),
	Ws = [spawn_monitor(fun() -> [ets:update_counter(T, n, 1) || _ <- lists:seq(1, 10000)] end) || _ <- lists:seq(1, 8)],
	[receive {'DOWN', M, _, _, _} -> ok end || {_, M} <- Ws],
	io:format("table ~p~n", [ets:lookup(T, n)]),
	{ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
	{ok, Port} = inet:port(L),
	spawn(?MODULE, server, [L]),
	{ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
	io:format("socket ~p~n", [talk(S, 500, 0)]),
	io:format("~s", [os:cmd("echo child")]),
	io:format("~p ~p~n", [erlang:crc32(binary:copy(<<"x">>, 100000)), byte_size(term_to_binary(lists:seq(1, 1000), [compressed]))]),
	io:format("~p~n", [(fun G(0) -> 1; G(N) -> N * G(N - 1) end)(200) rem 1000000007]),
	io:format("~p~n", [re:run("the quick brown fox", "(\\w+) fox", [{capture, all_but_first, list}])]),
	receive never -> ok after 20 -> io:format("after~n") end,
	erlang:garbage_collect(),
	halt(3).
END
erlc t.erl
erl +S 2 -noshell -s t main || echo "status $?"
cat >s.escript <<'END'
#!/usr/bin/env escript
main(A) -> io:format("~p ~p~n", [A, lists:foldl(fun(X, Y) -> X + Y end, 0, lists:seq(1, 100000))]), halt(length(A)).
END
escript s.escript a b || echo "status $?"
