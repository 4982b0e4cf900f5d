// SPDX-License-Identifier: MIT
// Hashing, sorting, strings, virtual calls, short-lived objects, two threads: what it prints depends on nothing else.
import java.util.*;

public class Jvm {
	interface Shape { double area(); }
	record Circle(double r) implements Shape { public double area() { return 3 * r * r; } }
	record Square(double a) implements Shape { public double area() { return a * a; } }

	static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

	static long work(int seed) {
		Random r = new Random(seed);
		long sum = fib(36);
		Map<String, Integer> words = new HashMap<>();
		for (int i = 0; i < 1_500_000; i++)
			words.merge("w" + r.nextInt(20000), i & 7, Integer::sum);
		for (int n : words.values())
			sum = sum * 31 + n;
		int[] a = r.ints(1_500_000).toArray();
		Arrays.sort(a);
		sum += a[a.length / 2];
		List<Shape> shapes = new ArrayList<>();
		for (int i = 0; i < 400_000; i++)
			shapes.add((i & 1) == 0 ? new Circle(i % 17) : new Square(i % 13));
		for (int k = 0; k < 20; k++)
			for (Shape s : shapes)
				sum += (long) s.area();
		return sum;
	}

	public static void main(String[] args) throws Exception {
		long[] got = new long[2];
		Thread t = new Thread(() -> got[1] = work(2));
		t.start();
		got[0] = work(1);
		t.join();
		System.out.println(Arrays.toString(got));
	}
}
