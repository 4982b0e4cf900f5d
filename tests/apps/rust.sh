# SPDX-License-Identifier: MIT
# large: rustc
# needs: rustc
# setup: yes
# timeout: 300
# modes: tiny flush=300
set -eu
if [ "${1-}" = setup ]; then
	cat >hello.rs <<-'END'
	use std::collections::BTreeMap;
	use std::thread;
	fn fib(n: u64) -> u64 { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }
	fn main() {
	    println!("hello {} {}", std::env::args().count(), fib(25));
	    let h: Vec<_> = (0..8u64).map(|i| thread::spawn(move || fib(15) * i)).collect();
	    println!("{}", h.into_iter().map(|t| t.join().unwrap()).sum::<u64>());
	    std::panic::set_hook(Box::new(|_| {}));
	    let r = std::panic::catch_unwind(|| { let v: Vec<i32> = Vec::new(); v[std::env::args().count() + 5] });
	    println!("{}", r.is_err());
	    let mut m = BTreeMap::new();
	    for w in "the quick brown fox the end".split(' ') { *m.entry(w).or_insert(0) += 1; }
	    println!("{:?}", m);
	    let t = thread::spawn(|| panic!("in a thread"));
	    println!("{}", t.join().is_err());
	    std::process::exit(4);
	}
	END
	rustc -O hello.rs -o hello && cp hello.rs keep.rs
	exit 0
fi
"$SETUP/hello" arg || echo "status $?"
if [ -n "${LONG-}" ]; then rustc -O "$SETUP/keep.rs" -o again && ./again || echo "status $?"; fi
