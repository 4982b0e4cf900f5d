# SPDX-License-Identifier: MIT
# large: rustc cargo
# needs: rustc cargo
# timeout: 300
# cargo and rustc: a library and a program without dependencies are built, tested, and built again.
set -eu
export CARGO_HOME=$PWD/home CARGO_NET_OFFLINE=true CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never CARGO_BUILD_JOBS=2
mkdir -p app/src lib/src
cat >app/Cargo.toml <<'END'
[package]
name = "app"
version = "0.1.0"
edition = "2021"
[dependencies]
words = { path = "../lib" }
END
cat >lib/Cargo.toml <<'END'
[package]
name = "words"
version = "0.1.0"
edition = "2021"
END
cat >lib/src/lib.rs <<'END'
use std::collections::BTreeMap;
/// How often each word occurs.
/// ```
/// assert_eq!(words::count("a b a")["a"], 2);
/// ```
pub fn count(s: &str) -> BTreeMap<String, usize> {
    let mut m = BTreeMap::new();
    for w in s.split_whitespace() { *m.entry(w.to_string()).or_default() += 1; }
    m
}
#[cfg(test)]
mod tests {
    #[test]
    fn counts() { assert_eq!(super::count("x y x").len(), 2); }
    #[test]
    #[should_panic]
    fn panics() { let _ = super::count("")["x"]; }
    #[test]
    fn fails() { assert_eq!(1, 2, "on purpose"); }
}
END
cat >app/src/main.rs <<'END'
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
fn main() {
    let total = Arc::new(Mutex::new(0usize));
    let (tx, rx) = mpsc::channel();
    for i in 0..8 {
        let (total, tx) = (total.clone(), tx.clone());
        thread::spawn(move || {
            for n in words::count(&"the quick the ".repeat(i)).values() { *total.lock().unwrap() += n; }
            tx.send(i).unwrap();
        });
    }
    drop(tx);
    let mut got: Vec<_> = rx.iter().collect();
    got.sort();
    println!("{:?} {}", got, total.lock().unwrap());
    std::process::exit(6);
}
END
cd app
cargo build -q 2>&1
./target/debug/app || echo "status $?"
cargo build -q --release 2>&1
cargo run -q --release || echo "status $?"
cd ../lib
cargo test -q --lib -- --test-threads=2 2>&1 | grep -E "^test result|panicked" | sed 's/finished in.*//' || true
cargo test -q --doc 2>&1 | grep "^test result" | sed 's/finished in.*//' || echo "no doc tests"
cargo build -q 2>&1
sed -i 's/count(s: &str)/count(s: str)/' src/lib.rs
cargo build -q 2>&1 | grep -c "^error" || true
