# SPDX-License-Identifier: MIT
"""What a whole process is slowed down by: single things that the kernel does for it, and servers under load.

The server runs under `gnomon check`, the client natively. Rounds are interleaved; the single things are wall time, the
lowest of the rounds, the servers' rates are medians.
"""
import glob
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

SINGLE = [("system call (getppid)", "syscall", 2000000), ("signal to itself", "signal", 100000),
          ("pthread_create + join", "thread", 10000), ("fork + wait", "fork", 1000), ("first touch of a page", "fault", 20000),
          ("mmap + touch + munmap", "mmap", 50000), ("mprotect, twice", "mprotect", 50000),
          ("a byte to a thread and back", "pipe", 20000), ("two calls, one thread", "one", 100000000),
          ("two calls, each of two threads", "two", 100000000)]


def single(ways, exe, rounds, env, say):
    """[{'name':, 'ns': {way: lowest}}]"""
    out = []
    for name, what, count in SINGLE:
        ns = {w: [] for w, _ in ways}
        for _ in range(rounds):
            for w, prefix in ways:
                r = subprocess.run(prefix + [exe, what, str(count)], stdout=subprocess.PIPE, text=True, check=True, env=env)
                ns[w].append(float(r.stdout))
        out.append({"name": name, "ns": {w: min(v) for w, v in ns.items()}})
        say("%-32s" % name, "".join("  %s %.1f ns" % x for x in out[-1]["ns"].items()))
    return out


def which(name):
    return shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def wrk(url, seconds):
    r = subprocess.run(["wrk", "-t", "1", "-c", "32", "-d", "%ds" % seconds, url], stdout=subprocess.PIPE, text=True, check=True)
    if "Non-2xx" in r.stdout or "Socket errors" in r.stdout:
        raise RuntimeError(r.stdout)
    return next(float(x.split()[1]) for x in r.stdout.splitlines() if x.startswith("Requests/sec"))


def served(argv, port, warm, seconds, env):
    """requests a second that a server answers, after `warm` seconds that do not count"""
    p = subprocess.Popen(argv, env=env, start_new_session=True)
    try:
        wait_for(port, p)
        wrk("http://127.0.0.1:%d/f" % port, warm)
        return wrk("http://127.0.0.1:%d/f" % port, seconds)
    finally:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait()


def nginx(prefix, work, seconds, env):
    port = free_port()
    conf = os.path.join(work, "nginx.conf")
    os.makedirs(os.path.join(work, "www"), exist_ok=True)
    with open(os.path.join(work, "www", "f"), "w") as f:
        f.write("text\n" * 200)
    with open(conf, "w") as f:
        f.write("daemon off; worker_processes 1; pid %s/pid; error_log %s/error.log; events { worker_connections 128; }\n"
                "http { access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:%d; root %s/www; } }\n" % (
                    work, work, port, work))
    return served(prefix + [which("nginx"), "-c", conf], port, 1, seconds, env)


NODE = """
require('http').createServer((q, r) => {
	r.setHeader('content-type', 'application/json');
	r.end(JSON.stringify({ url: q.url, list: [1, 2, 3].map(x => x * x), text: 'x'.repeat(50).replace(/x/g, 'y') }));
}).listen(+process.argv[2], '127.0.0.1');
"""


def node(prefix, work, seconds, env):
    port = free_port()
    with open(os.path.join(work, "server.js"), "w") as f:
        f.write(NODE)
    return served(prefix + [which("node"), os.path.join(work, "server.js"), str(port)], port, 2, seconds, env)


def postgres(prefix, work, seconds, env, args):
    pg = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    port = free_port()

    def as_postgres(*argv):
        return [which("runuser"), "-u", "postgres", "--", *argv]
    data = os.path.join(work, "db")
    if not os.path.exists(data):
        shutil.chown(work, "postgres")
        subprocess.run(as_postgres(pg + "/initdb", "-D", data, "-A", "trust", "-N", "--no-locale"), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    with open(os.path.join(work, "pg.log"), "a") as log:
        p = subprocess.Popen(as_postgres(*prefix, pg + "/postgres", "-D", data, "-k", work, "-p", str(port), "-c", "fsync=off"),
                             env=env, start_new_session=True, stderr=log, cwd="/")
    try:
        wait_for(port, p)
        while subprocess.run(as_postgres(pg + "/pg_isready", "-q", "-h", work, "-p", str(port))).returncode == 1:  # starting up
            time.sleep(0.1)
        bench = as_postgres(pg + "/pgbench", "-h", work, "-p", str(port))
        subprocess.run(bench + ["-i", "-q", "postgres"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        r = subprocess.run(bench + ["-c", "4", "-j", "1", "-T", str(seconds), *args, "postgres"], check=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
        return next(float(x.split()[2]) for x in r.stdout.splitlines() if x.startswith("tps"))
    finally:
        with open(os.path.join(data, "postmaster.pid")) as f:
            os.kill(int(f.readline()), signal.SIGINT)
        p.wait()


def loads():
    """(name, function) of what is installed"""
    found = []
    if which("wrk") and which("nginx"):
        found.append(("nginx, requests/s", nginx))
    if which("wrk") and which("node"):
        found.append(("node's http, requests/s", node))
    if glob.glob("/usr/lib/postgresql/*/bin/pgbench") and os.getuid() == 0 and which("runuser"):
        found.append(("pgbench -S, transactions/s", lambda *a: postgres(*a, ["-S", "-M", "prepared"])))
        found.append(("pgbench, transactions/s", lambda *a: postgres(*a, ["-n"])))
    return found


def servers(ways, rounds, env, say, seconds=3):
    """[{'name':, 'rate': {way: median}}]"""
    out = []
    for name, load in loads():
        rate = {w: [] for w, _ in ways}
        with tempfile.TemporaryDirectory(prefix="gnomon-bench.", dir="/tmp") as work:
            os.chmod(work, 0o755)
            for _ in range(rounds):
                for w, prefix in ways:
                    rate[w].append(load(prefix, work, seconds, env))
        out.append({"name": name, "rate": {w: statistics.median(v) for w, v in rate.items()}})
        say("%-32s" % name, "".join("  %s %.0f" % x for x in out[-1]["rate"].items()))
    return out


def measure(gnomon, exe, rounds, env, say):
    ways = [("native", []), ("gnomon", [gnomon, "check", "-q", "--"])]
    return {"single": single(ways, exe, rounds, env, say), "servers": servers(ways, rounds, env, say)}


def markdown(res):
    o = ["| ns of wall time, lowest of the rounds | native | gnomon | ratio |", "|---|---|---|---|"]
    for r in res["single"]:
        a, b = r["ns"]["native"], r["ns"]["gnomon"]
        o.append("| %s | %.1f | %.1f | %.2f |" % (r["name"], a, b, b / a))
    if res["servers"]:
        o += ["", "| a server under gnomon, its clients not | native | gnomon | of native |", "|---|---|---|---|"]
        for r in res["servers"]:
            a, b = r["rate"]["native"], r["rate"]["gnomon"]
            o.append("| %s | %.0f | %.0f | %.2f |" % (r["name"], a, b, b / a))
    return o
