# SPDX-License-Identifier: MIT
# large: golang-go
# needs: go
# setup: yes
# timeout: 300
# modes: tiny flush=300
# expect: stack-switch hello gogo
# may: never-called hello runtime.asyncPreempt*
# may: unwind hello *
# may: stack-switch hello runtime.*
# Goroutines run on stacks of their own, and the runtime switches between them: gogo, and mcall to the thread's own stack. They
# are pieces of one mapping: until the first switch inside it has been seen, a way back to a frame that is still known looks like
# unwinding (docs/deviations.md).
set -eu
export GOCACHE=$HOME/go-cache GOPATH=$HOME/go GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 GOTOOLCHAIN=local
if [ "${1-}" = setup ]; then
	cat >hello.go <<-'END'
	package main

	import (
		"fmt"
		"os"
		"sort"
		"strings"
		"sync"
	)

	func fib(n int) int {
		if n < 2 {
			return n
		}
		return fib(n-1) + fib(n-2)
	}

	func main() {
		fmt.Println("hello", len(os.Args), fib(25))
		var wg sync.WaitGroup
		c := make(chan int, 10)
		for i := 0; i < 50; i++ {
			wg.Add(1)
			go func(i int) { defer wg.Done(); c <- fib(15) * i }(i)
		}
		go func() { wg.Wait(); close(c) }()
		s := 0
		for x := range c {
			s += x
		}
		fmt.Println(s)
		func() {
			defer func() { fmt.Println("recovered:", recover()) }()
			var p *int
			*p = 1
		}()
		w := strings.Fields("the quick brown fox")
		sort.Strings(w)
		fmt.Println(w)
	}
	END
	go build -o hello hello.go
	exit 0
fi
"$SETUP/hello" arg
