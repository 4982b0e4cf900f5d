# SPDX-License-Identifier: MIT
"""What a whole process is slowed down by: single things that the kernel does for it, and servers under load.

The server runs under `gnomon check`, the client natively. Rounds are interleaved; the single things are wall time, the
lowest of the rounds; the servers' rates and ratios are medians.
"""
import contextlib
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


@contextlib.contextmanager
def served(argv, port, env):
    """a web server, as a function that says how many requests a second it answers for so many seconds"""
    p = subprocess.Popen(argv, env=env, start_new_session=True)
    try:
        wait_for(port, p)
        yield lambda seconds: wrk("http://127.0.0.1:%d/f" % port, seconds)
    finally:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait()


def nginx(prefix, work, env):
    port = free_port()
    conf = os.path.join(work, "nginx.conf")
    os.makedirs(os.path.join(work, "www"))
    with open(os.path.join(work, "www", "f"), "w") as f:
        f.write("text\n" * 200)
    with open(conf, "w") as f:
        f.write("daemon off; worker_processes 1; pid %s/pid; error_log %s/error.log; events { worker_connections 128; }\n"
                "http { access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:%d; root %s/www; } }\n" % (
                    work, work, port, work))
    return served(prefix + [which("nginx"), "-c", conf], port, env)


NODE = """
require('http').createServer((q, r) => {
	r.setHeader('content-type', 'application/json');
	r.end(JSON.stringify({ url: q.url, list: [1, 2, 3].map(x => x * x), text: 'x'.repeat(50).replace(/x/g, 'y') }));
}).listen(+process.argv[2], '127.0.0.1');
"""


def node(prefix, work, env):
    port = free_port()
    with open(os.path.join(work, "server.js"), "w") as f:
        f.write(NODE)
    return served(prefix + [which("node"), os.path.join(work, "server.js"), str(port)], port, env)


def as_postgres(*argv):
    return [which("runuser"), "-u", "postgres", "--", *argv]


@contextlib.contextmanager
def postgres(prefix, work, env, args):
    """a database server, as a function that says how many transactions a second it makes for so many seconds"""
    pg = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    data = os.path.join(work, "db")
    port = free_port()
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    bench = as_postgres(pg + "/pgbench", "-h", work, "-p", str(port))

    def transactions(seconds):
        r = subprocess.run(bench + ["-c", "4", "-j", "1", "-T", str(seconds), *args, "postgres"], check=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
        return next(float(x.split()[2]) for x in r.stdout.splitlines() if x.startswith("tps"))
    shutil.chown(work, "postgres")
    subprocess.run(as_postgres(pg + "/initdb", "-D", data, "-A", "trust", "-N", "--no-locale"), **quiet)
    with open(os.path.join(work, "log"), "a") as log:
        p = subprocess.Popen(as_postgres(*prefix, pg + "/postgres", "-D", data, "-k", work, "-p", str(port), "-c", "fsync=off"),
                             env=env, start_new_session=True, stderr=log, cwd="/")
    try:
        wait_for(port, p)
        while subprocess.run(as_postgres(pg + "/pg_isready", "-q", "-h", work, "-p", str(port))).returncode == 1:  # starting up
            time.sleep(0.1)
        subprocess.run(bench + ["-i", "-q", "postgres"], **quiet)
        yield transactions
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


def servers(ways, rounds, env, say, warm=6, windows=4, seconds=2):
    """[{'name':, 'rate': {way: median}, 'ratio': median}]: all ways' servers are up, and asked in turn in short windows; the ratio
    to the first way's is that of the window beside it"""
    out = []
    for name, load in loads():
        rate = {w: [] for w, _ in ways}
        with contextlib.ExitStack() as up:
            server = {}
            for w, prefix in ways:
                work = up.enter_context(tempfile.TemporaryDirectory(prefix="gnomon-bench.", dir="/tmp"))
                os.chmod(work, 0o755)
                server[w] = up.enter_context(load(prefix, work, env))
                server[w](warm)
            for _ in range(rounds * windows):
                for w, _ in ways:
                    rate[w].append(server[w](seconds))
        base = rate[ways[0][0]]
        out.append({"name": name, "rate": {w: statistics.median(v) for w, v in rate.items()},
                    "ratio": {w: statistics.median(x / y for x, y in zip(v, base)) for w, v in rate.items()}})
        say("%-32s" % name, "".join("  %s %.0f" % x for x in out[-1]["rate"].items()), "ratio %.2f" % out[-1]["ratio"][ways[-1][0]])
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
            o.append("| %s | %.0f | %.0f | %.2f |" % (r["name"], r["rate"]["native"], r["rate"]["gnomon"], r["ratio"]["gnomon"]))
    return o
