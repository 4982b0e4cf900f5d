# SPDX-License-Identifier: MIT
# large: mono-runtime mono-mcs
# needs: mono mcs
# timeout: 240
# expect: unwind (generated) -
# may: unwind * *
# Mono: its compiler, JIT, interpreter and collector; exceptions, null pointers from signals, threads, tasks, callbacks, sockets.
set -eu
cat >t.cs <<'END'
using System; using System.Collections.Generic; using System.Linq; using System.Threading; using System.Threading.Tasks;
using System.Runtime.InteropServices; using System.Net; using System.Net.Sockets; using System.IO; using System.Diagnostics;
class T {
	delegate int Compare(IntPtr a, IntPtr b);
	[DllImport("libc.so.6")] static extern void qsort([In, Out] int[] a, IntPtr n, IntPtr size, Compare c);
	static int Fib(int n) { return n < 2 ? n : Fib(n - 1) + Fib(n - 2); }
	static IEnumerable<int> Squares() { for (int i = 0; ; i++) yield return i * i; }
	static async Task<int> Later(int n) { await Task.Delay(5); return n * 2; }
	static int Deep(int n) { if (n == 0) throw new InvalidOperationException("deep"); try { return Deep(n - 1) + 1; } finally { count++; } }
	static int count; static object gate = new object(); static string none = null;
	static int Main(string[] args) {
		Console.WriteLine(Fib(27));
		Console.WriteLine(string.Join(",", Squares().Skip(3).Take(5)));
		try { Deep(200); } catch (InvalidOperationException e) { Console.WriteLine(e.Message + count); }
		try { Console.WriteLine(none.Length); } catch (NullReferenceException) { Console.WriteLine("null"); }
		try { Console.WriteLine(1 / args.Length); } catch (DivideByZeroException) { Console.WriteLine("zero"); }
		try { new object[2][args.Length + 5] = null; } catch (Exception e) { Console.WriteLine(e.GetType().Name); }
		int sum = 0; var ts = new List<Thread>();
		for (int i = 0; i < 8; i++) { int me = i; var t = new Thread(() => { for (int j = 0; j < 20000; j++) lock (gate) sum += me; }); t.Start(); ts.Add(t); }
		foreach (var t in ts) t.Join();
		Console.WriteLine(sum);
		Console.WriteLine(Task.WhenAll(Enumerable.Range(0, 20).Select(Later)).Result.Sum());
		long total = 0; Parallel.For(0, 1000, i => Interlocked.Add(ref total, Fib(i % 15))); Console.WriteLine(total);
		var a = new int[] { 5, 3, 9, 1, 7 }; qsort(a, (IntPtr)5, (IntPtr)4, (x, y) => Marshal.ReadInt32(x) - Marshal.ReadInt32(y)); Console.WriteLine(string.Join(" ", a));
		var d = new Dictionary<string, List<int>>(); for (int i = 0; i < 100000; i++) { List<int> l; if (!d.TryGetValue("k" + i % 100, out l)) d["k" + i % 100] = l = new List<int>(); l.Add(i); }
		Console.WriteLine(d.Values.Max(l => l.Count) + " " + d.Keys.OrderBy(k => k, StringComparer.Ordinal).First());
		byte[][] keep = new byte[50][]; for (int i = 0; i < 20000; i++) keep[i % 50] = new byte[i % 4000]; GC.Collect(); Console.WriteLine(GC.CollectionCount(0) > 0);
		var s = new TcpListener(IPAddress.Loopback, 0); s.Start(); int port = ((IPEndPoint)s.LocalEndpoint).Port;
		var server = Task.Run(() => { using (var c = s.AcceptTcpClient()) { var r = new StreamReader(c.GetStream()); var w = new StreamWriter(c.GetStream()) { AutoFlush = true }; string line; while ((line = r.ReadLine()) != null) w.WriteLine(line.ToUpper()); } });
		using (var c = new TcpClient("127.0.0.1", port)) { var r = new StreamReader(c.GetStream()); var w = new StreamWriter(c.GetStream()) { AutoFlush = true }; int n = 0; for (int i = 0; i < 300; i++) { w.WriteLine("line " + i); if (r.ReadLine() == "LINE " + i) n++; } Console.WriteLine("socket " + n); }
		server.Wait();
		var p = Process.Start(new ProcessStartInfo("echo", "child") { RedirectStandardOutput = true, UseShellExecute = false }); Console.Write(p.StandardOutput.ReadToEnd()); p.WaitForExit();
		var ab = new Thread(() => { try { for (;;) Thread.Sleep(1); } catch (ThreadAbortException) { Console.WriteLine("aborted"); } }); ab.Start(); Thread.Sleep(20); ab.Abort(); ab.Join();
		return 3;
	}
}
END
mcs t.cs
mono t.exe || echo "status $?"
mono -O=all t.exe | md5sum
mono --interpreter t.exe | md5sum
