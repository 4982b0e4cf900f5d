# SPDX-License-Identifier: MIT
# large: golang-go
# needs: go
# setup: yes
# timeout: 300
# expect: stack-switch server gogo
# may: never-called server runtime.asyncPreempt*
# may: unwind server *
# may: stack-switch server runtime.*
# may: unwind libc.so.6 *
# Go with thousands of goroutines, its own HTTP server and clients, signals, a child, collections while a loop must be preempted.
set -eu
export GOCACHE=$HOME/go-cache GOPATH=$HOME/go GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 GOTOOLCHAIN=local
if [ "${1-}" = setup ]; then
	cat >server.go <<-'END'
	package main

	import (
		"fmt"
		"io"
		"net"
		"net/http"
		"os"
		"os/exec"
		"os/signal"
		"runtime"
		"sync"
		"sync/atomic"
		"syscall"
		"time"
	)

	func deep(n int) int {
		var a [64]int
		if n == 0 {
			return 0
		}
		a[n%64] = n
		return deep(n-1) + a[n%64]
	}

	func main() {
		var wg sync.WaitGroup
		var sum int64
		for i := 0; i < 3000; i++ {
			wg.Add(1)
			go func(i int) {
				defer wg.Done()
				time.Sleep(time.Duration(i%10) * time.Millisecond)
				atomic.AddInt64(&sum, int64(deep(i%300)))
			}(i)
		}
		wg.Wait()
		runtime.GC()
		fmt.Println("goroutines", sum)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Path) })
		srv := &http.Server{Handler: mux}
		go srv.Serve(l)
		var ok int64
		for i := 0; i < 20; i++ {
			wg.Add(1)
			go func(i int) {
				defer wg.Done()
				for j := 0; j < 30; j++ {
					r, err := http.Get(fmt.Sprintf("http://%s/%d/%d", l.Addr(), i, j))
					if err != nil {
						fmt.Println(err)
						return
					}
					b, _ := io.ReadAll(r.Body)
					r.Body.Close()
					if string(b) == fmt.Sprintf("hello /%d/%d", i, j) {
						atomic.AddInt64(&ok, 1)
					}
				}
			}(i)
		}
		wg.Wait()
		srv.Close()
		fmt.Println("http", ok)
		c := make(chan os.Signal, 100)
		signal.Notify(c, syscall.SIGUSR1)
		for i := 0; i < 10; i++ {
			syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			<-c
		}
		out, _ := exec.Command("echo", "child").Output()
		fmt.Print(string(out))
		spin := int64(0)
		done := make(chan bool)
		go func() { for spin < 1<<26 { spin++ }; done <- true }()
		for i := 0; i < 50; i++ {
			runtime.GC()
		}
		<-done
		func() {
			defer func() { fmt.Println(recover()) }()
			var m map[string]int
			m["x"] = 1
		}()
		os.Exit(4)
	}
	END
	go build -o server server.go
	exit 0
fi
"$SETUP/server" || echo "status $?"
