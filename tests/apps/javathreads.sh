# SPDX-License-Identifier: MIT
# large: default-jdk-headless
# needs: java javac
# timeout: 180
# may: * (generated) -
# may: * libjvm.so *
# may: unwind libc.so.6 _dl_catch_exception
# Threads of the HotSpot JVM: a pool that keeps three collectors busy, sockets, a thousand threads, interrupts, a child.
set -eu
cat >G.java <<'END'
import java.util.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*; import java.net.*; import java.io.*;
public class G {
  static byte[] sink;
  public static void main(String[] a) throws Exception {
    ExecutorService ex = Executors.newFixedThreadPool(8);
    List<Future<Long>> fs = new ArrayList<>();
    for (int t = 0; t < 16; t++) { int me = t; fs.add(ex.submit(() -> { Map<Integer,String> m = new HashMap<>(); long s = 0;
      for (int i = 0; i < 100000; i++) { m.put(i % 5000, "v" + i + me); if (i % 50 == 0) sink = new byte[10000]; s += m.get(i % 5000).hashCode(); }
      return s; })); }
    long s = 0; for (Future<Long> f : fs) s ^= f.get();
    System.out.println(s);
    ServerSocket ss = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread srv = new Thread(() -> { try { for (;;) { Socket c = ss.accept(); ex.submit(() -> { try (c) { BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); String l; while ((l = r.readLine()) != null) { c.getOutputStream().write((l.length() + "\n").getBytes()); } } catch (IOException e) {} }); } } catch (IOException e) { } }); srv.start();
    AtomicInteger ok = new AtomicInteger(); Thread[] ts = new Thread[4];
    for (int t = 0; t < 4; t++) { ts[t] = new Thread(() -> { try (Socket c = new Socket(ss.getInetAddress(), ss.getLocalPort())) { BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); for (int i = 0; i < 500; i++) { c.getOutputStream().write(("x".repeat(i) + "\n").getBytes()); if (r.readLine().equals("" + i)) ok.incrementAndGet(); } } catch (IOException e) { System.out.println(e); } }); ts[t].start(); }
    for (Thread t : ts) t.join();
    System.out.println("socket " + ok); ss.close(); ex.shutdown(); ex.awaitTermination(5, TimeUnit.SECONDS);
    Thread[] many = new Thread[1000]; AtomicLong n = new AtomicLong();
    for (int i = 0; i < 1000; i++) { many[i] = new Thread(() -> { n.incrementAndGet(); try { Thread.sleep(50); } catch (InterruptedException e) {} }); many[i].start(); }
    for (Thread t : many) t.join();
    System.out.println("threads " + n);
    Process p = new ProcessBuilder("echo", "child").inheritIO().start(); System.out.println(p.waitFor());
    Thread sl = new Thread(() -> { try { Thread.sleep(100000); } catch (InterruptedException e) { System.out.println("interrupted"); } }); sl.start(); Thread.sleep(20); sl.interrupt(); sl.join();
    java.util.zip.CRC32 crc = new java.util.zip.CRC32(); crc.update(new byte[100000]); System.out.println(crc.getValue());
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
    System.exit(7);
  }
}
END
javac G.java
for gc in UseG1GC UseParallelGC UseZGC; do
	java -Xmx300m -XX:+$gc G || echo "status $?"
done
