# SPDX-License-Identifier: MIT
# large: default-jdk-headless
# needs: java javac
# timeout: 120
# expect: never-called (generated) -
# expect: unwind l*.so* _dl_catch_exception
# may: * (generated) -
# may: * libjvm.so *
# may: unwind l*.so* _dl_catch_exception
# The HotSpot JVM: its version, the compiler, a program with threads, exceptions from signals, stack overflow, collections.
set -eu
java -version 2>&1 | head -1
cat >Hello.java <<'END'
import java.util.*;
import java.util.stream.*;
public class Hello {
	static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
	static int down(int n) { return down(n + 1) + 1; }
	public static void main(String[] args) throws Exception {
		System.out.println(fib(27));
		System.out.println(IntStream.range(0, 1000).boxed().collect(Collectors.groupingBy(x -> x % 7)).size());
		long[] sums = new long[4];
		Thread[] threads = new Thread[4];
		for (int i = 0; i < 4; i++) {
			int me = i;
			threads[i] = new Thread(() -> { for (int j = 0; j < 1000000; j++) sums[me] += j % (me + 2); });
			threads[i].start();
		}
		for (Thread t : threads) t.join();
		System.out.println(Arrays.toString(sums));
		try { Object o = args.length > 5 ? "" : null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null pointer"); }
		try { System.out.println(1 / args.length); } catch (ArithmeticException e) { System.out.println(e.getMessage()); }
		try { down(0); } catch (StackOverflowError e) { System.out.println("stack overflow"); }
		StringBuilder b = new StringBuilder();
		for (int i = 0; i < 20000; i++) b.append(i);
		System.out.println(b.toString().hashCode());
		System.gc();
		System.exit(3);
	}
}
END
javac Hello.java
java -Xshare:auto Hello || echo "status $?"
java -Xint Hello | tail -1 || true
