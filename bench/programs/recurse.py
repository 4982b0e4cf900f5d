# SPDX-License-Identifier: MIT
# Recursion: fib, ackermann, hanoi.
import sys

sys.setrecursionlimit(20000)
scale = int(sys.argv[1])


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def ack(m, n):
    if m == 0:
        return n + 1
    return ack(m - 1, 1) if n == 0 else ack(m - 1, ack(m, n - 1))


def hanoi(n, a, b, c):
    if n == 0:
        return 0
    return hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a)


for i in range(scale):
    print(fib(23), ack(2, 250), hanoi(14, "a", "b", "c"))
