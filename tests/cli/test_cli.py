#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command without the engine: options, messages, statuses, signals, descriptors, reports.

usage: test_cli.py [--build DIR]. A stand-in (fabricate.c) plays the engine; it writes reports through
engine/kern/report.c itself. Prints TAP; exits 1 if something failed.
"""
import fcntl, json, os, pty, re, resource, shutil, signal, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import BUILD as build, SANITIZED, TMP as tmp, TOP  # noqa: E402

G = os.path.join(tmp, "gnomon")
FAB = os.path.join(tmp, "gnomon-engine")
count = failed = 0


def setup():
    shutil.copy(os.path.join(build, "gnomon"), G)
    os.symlink(os.path.join(build, "gnomon-audit"), os.path.join(os.path.dirname(G), "gnomon-audit"))
    e = os.path.join(TOP, "engine")
    rt = [os.path.join(e, "rt", f) for f in sorted(os.listdir(e + "/rt")) if f.endswith((".c", ".S"))]
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-g", "-fno-builtin", "-fno-optimize-sibling-calls", "-pthread",
                    "-I" + e, "-I" + TOP + "/include", TOP + "/tests/cli/fabricate.c", e + "/kern/report.c", e + "/kern/report_maps.c",
                    *rt, "-o", FAB], check=True)


def sh(args, env=None, **kw):
    """status, stdout, stderr of gnomon ARGS; with $VALGRIND what needs no guest runs under it"""
    under = os.environ.get("VALGRIND", "").split() if args[:1] == ["explain"] else []
    e = dict(os.environ, **(env or {}))
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.run([*under, G, *args], env=e, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **kw)
    return p.returncode, p.stdout.decode(errors="surrogateescape"), p.stderr.decode(errors="surrogateescape")


def test(f):
    global count, failed
    count += 1
    name = f.__doc__ or f.__name__
    try:
        f()
        print(f"ok {count} - {name}", flush=True)
    except Exception as e:
        failed += 1
        print(f"not ok {count} - {name}", flush=True)
        for line in (type(e).__name__ + ": " + str(e)).split("\n"):
            print("# " + line)
        tb = e.__traceback__
        while tb:
            print(f"#   line {tb.tb_lineno}")
            tb = tb.tb_next


def eq(a, b):
    if a != b:
        raise AssertionError(f"{a!r}\nexpected {b!r}")


def has(text, *parts):
    for p in parts:
        if p not in text:
            raise AssertionError(f"{p!r} is not in\n{text}")


def fabricate(what):
    path = os.path.join(tmp, what + ".report")
    subprocess.run([FAB, path, what], check=True)
    return path


def usage(args, message, cmd):
    eq(sh(args), (125, "", f"gnomon: {message}\nTry 'gnomon {cmd}--help' for more information.\n"))


def t_usage():
    """bad usage: two lines, status 125"""
    usage([], "no command given", "")
    usage(["bogus"], "unknown command 'bogus'", "")
    usage(["--bogus"], "unknown option '--bogus'", "")
    usage(["check", "--bogus", "true"], "unknown option '--bogus'", "check ")
    usage(["check"], "no program given", "check ")
    usage(["check", "--"], "no program given", "check ")
    usage(["check", "--report"], "option '--report' needs FILE", "check ")
    usage(["check", "--stop=1", "true"], "option '--stop' takes no value", "check ")
    usage(["check", "--error-exitcode", "256", "true"],
          "--error-exitcode needs a number from 0 to 255, not '256'", "check ")
    usage(["check", "--json-fd=x", "true"], "--json-fd needs a number from 0 to 1048576, not 'x'", "check ")
    usage(["check", "-X", "bogus", "true"], "unknown knob 'bogus'", "check ")
    usage(["run", "--stop", "true"], "unknown option '--stop'", "run ")
    usage(["explain"], "no report given", "explain ")
    usage(["explain", "--json", "--html", "x"], "--json and --html exclude each other", "explain ")
    usage(["doctor", "x"], "doctor takes no operand: 'x'", "doctor ")


def manual():
    """{command, "" for gnomon itself: {(short, long, argument)}} of the manual"""
    with open(os.path.join(build, "gnomon.1")) as f:
        text = f.read().replace("\\-", "-")
    commands = re.findall(r"^\.TP\n\.B (\w+)$", text.split(".SH DESCRIPTION")[1].split(".SH OPTIONS")[0], re.M)
    found = {c: set() for c in ["", *commands]}
    for part in re.split(r"^\.SS ", text.split(".SH OPTIONS\n")[1].split("\n.SH")[0], flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        whose = {"All commands": ["", *commands], "Without a command": [""]}.get(title) or re.split(", | and ", title)
        for short, name, arg in re.findall(r'^\.BI?R? (?:(-\w) ", " )?(--[\w-]+)(?:= (\w+))?$', body, re.M):
            for c in whose:
                found[c].add((short, name, arg))
    return found


def t_help():
    """help: on stdout, status 0, at most 15 options a command; help and manual know the same commands and options"""
    st, out, err = sh(["--help"])
    eq((st, err), (0, ""))
    commands = re.findall(r"^  (\w+) ", out.split("Options:")[0], re.M)
    helped = {}
    for cmd in ["", *commands]:
        st, text, err = sh([cmd, "--help"] if cmd else ["--help"])
        eq((st, err), (0, ""))
        found = re.findall(r"^  (?:(-\w), |    )(--[\w-]+)(?:=(\w+))?", text, re.M)
        helped[cmd] = set(found)
        eq(0 < len(found) <= 15, True)
    # its options are its own, and so is its manual: tests/audit
    helped["audit"] = manual()["audit"]
    eq(manual(), helped)
    st, out, err = sh(["--version"])
    eq((st, bool(re.fullmatch(r"gnomon \d+\.\d+\.\d+\n", out)), err), (0, True, ""))
    with open("/dev/full", "w") as full:
        p = subprocess.run([G, "--help"], stdout=full, stderr=subprocess.PIPE)
        eq((p.returncode, p.stderr), (125, b"gnomon: standard output: No space left on device\n"))


def t_status():
    """the program's status, 126 and 127 as env(1)"""
    eq(sh(["check", "-q", "--", "sh", "-c", "exit 7"]), (7, "", ""))
    eq(sh(["check", "-q", "sh", "-c", "echo out; echo err >&2"]), (0, "out\n", "err\n"))
    eq(sh(["check", "-q", "--", "sh", "-c", "kill -SEGV $$"])[0], -signal.SIGSEGV)
    eq(sh(["check", "-q", "--", "sh", "-c", "kill -KILL $$"])[0], -signal.SIGKILL)
    eq(sh(["check", "--", "no-such-program"]), (127, "", "gnomon: no-such-program: No such file or directory\n"))
    eq(sh(["check", "--", ""]), (127, "", "gnomon: '': No such file or directory\n"))
    eq(sh(["check", "--", "/etc/passwd/x"]), (126, "", "gnomon: /etc/passwd/x: Not a directory\n"))
    eq(sh(["check", "--", "/etc/passwd"]), (126, "", "gnomon: /etc/passwd: Permission denied\n"))
    eq(sh(["check", "--", "/etc"]), (126, "", "gnomon: /etc: Permission denied\n"))
    eq(sh(["check", "--", "x" * 5000])[0], 126)


def t_path():
    """PATH is searched as execvp(3) does"""
    a, b = os.path.join(tmp, "a"), os.path.join(tmp, "b")
    for d in (a, b):
        os.makedirs(d, exist_ok=True)
    with open(a + "/prog", "w") as f:
        f.write("not executable")
    with open(b + "/prog", "w") as f:
        f.write("#!/bin/sh\necho $0\n")
    os.chmod(b + "/prog", 0o755)
    eq(sh(["check", "-q", "prog"], env={"PATH": f"{a}:{b}"})[:2], (0, b + "/prog\n"))
    eq(sh(["check", "prog"], env={"PATH": a})[0], 126)
    eq(sh(["check", "prog"], env={"PATH": "/nowhere"})[0], 127)
    eq(sh(["check", "-q", "prog"], env={"PATH": "/nowhere:"}, cwd=b)[:2], (0, "prog\n"))
    has(sh(["check", "prog"], env={"PATH": ":/nowhere", "FAKE_SHOW": "1"}, cwd=b)[2], "file=prog comm=prog")


def t_settings():
    """settings and knobs reach the engine"""
    st, out, err = sh(["check", "--stop", "--strict", "--no-follow", "--stats", "-X", "tiny", "-Xflush", "-X",
                       "step", "-X", "fault=9", "-Xnopext", "-Xnoloop", "--", "true"], env={"FAKE_SHOW": "1"})
    has(err, "base=1000 ", "mode=1", "flags=70f", "fault=9", "flush=64")
    has(sh(["check", "-Xnopext", "-Xnoloop", "-X", "flush=7", "true"], env={"FAKE_SHOW": "1"})[2], "flags=200 ", "flush=7")
    has(sh(["run", "-Xnopext", "-Xnoloop", "true"], env={"FAKE_SHOW": "1"})[2], "mode=2 flags=0 fault=0")
    eq(sh(["run", "true"]), (0, "", ""))


def t_verdict():
    """verdict and live blocks"""
    eq(sh(["check", "true"]), (0, "", "gnomon: clean: 1 process, no violation\n"))
    eq(sh(["check", "true"], env={"FAKE": "unwind"}),
       (0, "", "gnomon: clean but for unwinding that a CET-aware libc handles: 1 site, 1 time, 1 process\n"))
    st, out, err = sh(["check", "--unwinds", "true"], env={"FAKE": "unwind"})
    has(err, "control-protection: return to an older frame", "skipped  2 frames")
    st, out, err = sh(["check", "true"], env={"FAKE": "moved"})
    has(err, "control-protection: return by a frame that was moved", "  deeper   2 frames: a call pushed this address, at another",
        "`victim' of gnomon-engine leaves 2 frames early", "(1 never called)")
    st, out, err = sh(["check", "true"], env={"FAKE": "all"})
    eq((st, out), (0, ""))
    has(err, "control-protection: return address overwritten", "not mapped", "gnomon: not clean: 4 sites",
        "this site: 4 times", "not checked, runs natively: /usr/bin/thirtytwo: 32-bit program")
    st, out, err = sh(["check", "true"], env={"FAKE": "bug"})
    has(err, "gnomon: no verdict: the engine failed")
    eq(sh(["check", "-q", "true"], env={"FAKE": "all"}), (0, "", ""))


def t_live():
    """blocks appear while the program still runs"""
    p = subprocess.Popen([G, "check", "--", "sh", "-c", "read x; exit 0"], stdin=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=dict(os.environ, FAKE="all"))
    seen = b""
    while b"note 7" not in seen:
        seen += os.read(p.stderr.fileno(), 65536)
    has(seen.decode(), "return address overwritten")
    eq(p.poll(), None)
    p.stdin.write(b"\n")
    p.stdin.close()
    has(p.stderr.read().decode(), "gnomon: not clean")
    eq(p.wait(timeout=20), 0)


def t_error_exitcode():
    """--error-exitcode: for violations, not for unwinding"""
    eq(sh(["check", "-q", "--error-exitcode=9", "true"], env={"FAKE": "all"})[0], 9)
    eq(sh(["check", "-q", "--error-exitcode=9", "true"], env={"FAKE": "unwind"})[0], 0)
    eq(sh(["check", "-q", "--error-exitcode", "9", "sh", "-c", "exit 3"])[0], 3)


def t_json_fd():
    """--json-fd: one valid object a line, verdict last"""
    path = os.path.join(tmp, "json")
    with open(path, "w+") as f:
        p = subprocess.run([G, "check", "-q", f"--json-fd={f.fileno()}", "--", "true"], pass_fds=[f.fileno()],
                           env=dict(os.environ, FAKE="all"), stderr=subprocess.PIPE)
        eq((p.returncode, p.stderr), (0, b""))
        f.seek(0)
        events = [json.loads(line) for line in f]
    eq([e["event"] for e in events][-1], "verdict")
    eq({e["event"] for e in events}, {"exec", "exit", "violation", "native", "note", "verdict"})


def t_log_fd():
    """--log-fd: gnomon's text goes there and nothing to stderr"""
    r, w = os.pipe()
    p = subprocess.run([G, "check", "--log-fd", str(w), "--", "sh", "-c", "echo e >&2"], pass_fds=[w],
                       stderr=subprocess.PIPE)
    os.close(w)
    eq((p.returncode, p.stderr, os.read(r, 4096)), (0, b"e\n", b"gnomon: clean: 1 process, no violation\n"))
    os.close(r)
    eq(sh(["check", "--log-fd=99", "true"]), (125, "", "gnomon: --log-fd 99: Bad file descriptor\n"))
    eq(sh(["check", "--json-fd=99", "true"]), (125, "", "gnomon: --json-fd 99: Bad file descriptor\n"))


def t_own_descriptors():
    """what is opened for --json-fd and --log-fd is none of the program's"""
    with open(os.path.join(tmp, "own"), "w") as f:
        fds = [fcntl.fcntl(f, fcntl.F_DUPFD, 100) for _ in range(2)] # above what ls opens
        p = subprocess.run([G, "check", "--json-fd=%d" % fds[0], "--log-fd=%d" % fds[1], "--", "ls", "/proc/self/fd"],
                           pass_fds=fds, stdout=subprocess.PIPE, text=True)
    for fd in fds:
        os.close(fd)
    eq((p.returncode, {str(fd) for fd in fds} & set(p.stdout.split())), (0, set()))


def t_report_file():
    """--report and explain agree; unwritable and full files are told"""
    path = os.path.join(tmp, "r")
    st, out, err = sh(["check", f"--report={path}", "true"], env={"FAKE": "all"})
    live = [x for x in err.split("\n")]
    eq(sh(["explain", path])[1].split("\n"), live)
    eq(sh(["check", "--report=/nowhere/x", "true"]), (125, "", "gnomon: /nowhere/x: No such file or directory\n"))
    st, out, err = sh(["check", "--report=/dev/full", "echo", "x"])
    eq((st, out), (0, "x\n"))
    has(err, "gnomon: /dev/full: No space left on device, the report is not complete")


def t_closed_stdio():
    """closed standard descriptors stay closed for the program, nothing of ours takes their place"""
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        out = os.path.join(tmp, "fds")
        if os.path.exists(out):
            os.unlink(out)
        subprocess.run(f"exec {G} check -- /bin/sh -c 'for i in 0 1 2; do test -e /proc/self/fd/$i; "
                       f"printf $? >>{out}; done' {closed}", shell=True, env=dict(os.environ, FAKE="all"),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        # the redirection of printf takes 1, so only the state of 0 and 2 is asked of the test itself
        want = "".join("1" if f"{i}<&-" in closed or f"{i}>&-" in closed else "0" for i in range(3))
        eq(open(out).read(), want)


def t_no_leaks():
    """the program gets the descriptors it would have had"""
    args = ["sh", "-c", "ls /proc/self/fd"]
    native = subprocess.run(args, stdout=subprocess.PIPE).stdout.decode()
    eq(sh(["check", "-q", *args])[1], native)


def t_limits():
    """small resource limits: one line, or it works"""
    def lim(what, n, hard=None):
        return lambda: resource.setrlimit(what, (n, n if hard is None else hard))
    inf = resource.RLIM_INFINITY
    eq(sh(["check", "-q", "echo", "x"], preexec_fn=lim(resource.RLIMIT_NOFILE, 32))[:2], (0, "x\n"))
    st, out, err = sh(["check", "-q", "echo", "x"], preexec_fn=lim(resource.RLIMIT_NOFILE, 9))
    eq((st, out, err.count("\n")), (125, "", 1))
    if not SANITIZED:
        st, out, err = sh(["check", "-q", "echo", "x"], preexec_fn=lim(resource.RLIMIT_AS, 16 << 20))
        eq((st, out, err.count("\n")), (125, "", 1))
    eq(sh(["check", "-q", "sh", "-c", "ulimit -f"], preexec_fn=lim(resource.RLIMIT_FSIZE, 1 << 20, inf))[:2],
       (0, "2048\n"))
    st, out, err = sh(["check", "-q", "echo", "x"], preexec_fn=lim(resource.RLIMIT_FSIZE, 1 << 20))
    eq((st, out, err.count("\n")), (125, "", 1))


def wait_for(cond):
    for _ in range(500):
        if cond():
            return
        time.sleep(0.01)
    raise AssertionError("timed out")


def proc_state(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]


def child_of(pid):
    return int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])


def start_script(script):
    p = subprocess.Popen([G, "check", "-q", "--", "sh", "-c", script], stdout=subprocess.PIPE,
                         stdin=subprocess.DEVNULL)
    eq(p.stdout.readline(), b"ready\n")
    return p


def t_forward():
    """signals sent to gnomon reach the program"""
    for name in ("TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "WINCH", "CONT"):
        p = start_script(f"trap 'exit 42' {name}; echo ready; while :; do sleep 0.01; done")
        p.send_signal(getattr(signal, "SIG" + name))
        eq((name, p.wait(timeout=20)), (name, 42))
    p = start_script("echo ready; exec sleep 100")
    p.send_signal(signal.SIGTERM)
    eq(p.wait(timeout=20), -signal.SIGTERM)


def t_stop():
    """the program stops: gnomon stops; gnomon goes on: the program goes on"""
    p = start_script("echo ready; kill -STOP $$; echo on; exit 5")
    wait_for(lambda: proc_state(p.pid) == "T")
    guest = child_of(p.pid)
    eq(proc_state(guest), "T")
    p.send_signal(signal.SIGCONT)
    eq((p.stdout.readline(), p.wait(timeout=20)), (b"on\n", 5))


def on_terminal(script, keys):
    """Runs SCRIPT under gnomon as a job of a new terminal, types KEYS (bytes, when "ready" appears); a stopped
    job is continued as fg does. Returns what happened to gnomon: "stop SIG", "exit N", "signal N"."""
    r, w = os.pipe()
    pid, master = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            os.execv(G, [G, "check", "-q", "--", "sh", "-c", script])
        while True:
            _, st = os.waitpid(job, os.WUNTRACED)
            if os.WIFSTOPPED(st):
                os.write(w, f"stop {os.WSTOPSIG(st)};".encode())
                os.killpg(job, signal.SIGCONT)
                continue
            os.write(w, f"exit {os.WEXITSTATUS(st)}".encode() if os.WIFEXITED(st) else
                     f"signal {os.WTERMSIG(st)}".encode())
            os._exit(0)
    os.close(w)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(master, 100)
    time.sleep(0.05)
    os.write(master, keys)
    out = os.fdopen(r, "rb").read().decode()
    os.close(master)
    os.waitpid(pid, 0)
    return out


def t_terminal():
    """Ctrl-C and Ctrl-Z on a terminal act once, as without gnomon"""
    eq(on_terminal("echo ready; exec sleep 100", b"\x03"), f"signal {int(signal.SIGINT)}")
    eq(on_terminal("n=0; trap 'n=$((n+1))' INT; echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.02; "
                   "i=$((i+1)); done; exit $((n+10))", b"\x03"), "exit 11")
    eq(on_terminal("trap '' TSTP; echo ready; sleep 0.3; exit 6", b"\x1a"), "exit 6")
    eq(on_terminal("echo ready; sleep 0.3; exit 6", b"\x1a"), f"stop {int(signal.SIGTSTP)};exit 6")


def t_dispositions():
    """ignored signals and the mask are inherited as without gnomon"""
    args = ["sh", "-c", "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"]

    def pre():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
    native = subprocess.run(args, stdout=subprocess.PIPE, preexec_fn=pre, restore_signals=False).stdout.decode()
    eq(sh(["check", "-q", *args], preexec_fn=pre, restore_signals=False)[1], native)


def t_pipe():
    """a log channel whose reader is gone costs nothing"""
    r, w = os.pipe()
    os.close(r)
    p = subprocess.run([G, "check", "--", "sh", "-c", "exit 4"], stderr=w, env=dict(os.environ, FAKE="all"))
    eq(p.returncode, 4)
    os.close(w)


def t_text():
    """explain: the text block"""
    st, out, err = sh(["explain", fabricate("all")])
    eq((st, err), (0, ""))
    block = [b for b in re.split(r"(?m)^gnomon\[", out) if "return address overwritten" in b][0]
    for pat in (r"^\d+/\d+\]: control-protection: return address overwritten\n",
                r"\n  in       gnomon-engine, process \d+, thread \d+\n",
                r"\n  at       0x[0-9a-f]+  gnomon-engine\+0x[0-9a-f]+  victim\+0x4  fabricate\.c:\d+\n",
                r"\n  expected 0x[0-9a-f]+  gnomon-engine\+0x[0-9a-f]+  caller\+0x9  fabricate\.c:\d+\n",
                r"\n  pushed   0x[0-9a-f]+  .*  caller\+0x4  .*\(this call\)\n",
                r"\n  actual   0x4141414141414141  not mapped\n",
                r"\n  stack    0x[0-9a-f]+  in \[stack\] 0x[0-9a-f]+-0x[0-9a-f]+, 0x[0-9a-f]+ below its end\n",
                r"\n  shadow stack, newest first:\n    #0 0x.*caller.*\n    #1 0x.*main.*\n    #2 0x.*libc",
                r"\n  help: this is memory corruption"):
        if not re.search(pat, block):
            raise AssertionError(f"{pat}\nnot in\n{block}")
    has(out, "  switch   ", "`victim' of gnomon-engine switch it with RSTORSSP", "generated code must reach",
        "control-protection: far return", "never called          1            2  (generated code)",
        "8 violations in 2 processes")
    if "older frame" in out:
        raise AssertionError("unwinding is shown without --unwinds")
    has(sh(["explain", "--unwinds", os.path.join(tmp, "all.report")])[1], "older frame")


def t_json():
    """explain --json: valid, complete, escaped"""
    st, out, err = sh(["explain", "--json", fabricate("all")])
    eq((st, err), (0, ""))
    events = [json.loads(x) for x in out.split("\n")[:-1]]
    for line in out.split("\n")[:-1]:
        subprocess.run([sys.executable, "-m", "json.tool"], input=line.encode(), stdout=subprocess.DEVNULL,
                       check=True)
    paths = [e["path"] for e in events if e["event"] == "exec"]
    has(paths, '/bin/"quoted\\path\x01\udcff\xe9')
    v = [e for e in events if e["event"] == "violation" and e["class"] == "overwritten"]
    eq(len(v), 1)
    eq(v[0]["at"]["symbol"], "victim")
    eq(v[0]["actual"], {"address": "0x4141414141414141", "mapped": False})
    eq(len(v[0]["shadow_stack"]), 3)
    end = events[-1]
    eq((end["verdict"], end["processes"], end["natives"]), ("not-clean", 2, 1))
    eq(end["classes"]["overwritten"], {"sites": 1, "times": 4})
    eq([e["status"] for e in events if e["event"] == "exit"], [3, 0])


def t_html():
    """explain --html: self-contained and escaped"""
    out = sh(["explain", "--html", fabricate("all")])[1]
    has(out, "<!doctype html>", "note 7 &lt;&amp;&gt;", "prefers-color-scheme", "older frame")
    if re.search(r"https?://|<script|src=", out):
        raise AssertionError("not self-contained")


def t_counts():
    """four threads, 800000 violations: every one counted, one record a site"""
    out = sh(["explain", "--json", fabricate("hammer")])[1]
    events = [json.loads(x) for x in out.split("\n")[:-1]]
    c = events[-1]["classes"]
    eq((c["unwind"]["times"], c["never-called"]["times"]), (400000, 400000))
    eq((c["unwind"]["sites"], c["never-called"]["sites"]), (1, 16))
    eq(sum(e["event"] == "violation" for e in events), 17)
    eq(sum(s["times"] for s in events[-1]["sites"]), 800000)


def t_full():
    """full site table and full log are told, nothing breaks"""
    out = sh(["explain", fabricate("many")])[1]
    has(out, "more than 4096 sites: 500 violations could only be counted", "gnomon: the log is full: ",
        "not clean: 4096 sites (4096 never called), 4596 violations in 1 process")


def t_hostile():
    """explain survives broken reports"""
    good = open(fabricate("all"), "rb").read()
    bad = os.path.join(tmp, "bad")

    def explain(data):
        with open(bad, "wb") as f:
            f.write(data)
        st, out, err = sh(["explain", "--json", "--unwinds", bad])
        sh(["explain", bad])
        return st, err
    eq(explain(b""), (125, f"gnomon: {bad}: not a gnomon report (too short)\n"))
    eq(explain(b"\0" * len(good)), (125, f"gnomon: {bad}: not a gnomon report\n"))
    eq(explain(good[:8] + b"\x09" + good[9:]), (125, f"gnomon: {bad}: report of another version of gnomon\n"))
    eq(sh(["explain", "/nowhere"]), (125, "", "gnomon: /nowhere: No such file or directory\n"))
    eq(sh(["explain", "/dev/null"])[0], 125)
    head = good.index(b"/usr/bin/fabricated") - 32
    seed = 12345
    for cut in (head, head + 8, head + 100, len(good) - 1, len(good) - 300):
        eq(explain(good[:cut])[0], 0)
    for _ in range(60):
        data = bytearray(good)
        for _ in range(8):
            seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
            at = head + (seed >> 20) % (len(good) - head)
            data[at] = seed >> 56
        eq(explain(bytes(data))[0], 0)


def t_unfinished():
    """a record whose writer was killed is stepped over"""
    good = bytearray(open(fabricate("all"), "rb").read())
    head = good.index(b"/usr/bin/fabricated") - 32
    first = int.from_bytes(good[head:head + 4], "little")
    good[head + first:head + first + 4] = b"\0\0\0\0"  # the unwind record
    path = os.path.join(tmp, "unfinished")
    open(path, "wb").write(good)
    out = sh(["explain", "--json", path])[1]
    eq([json.loads(x)["event"] for x in out.split("\n")[:4]], ["exec", "violation", "violation", "violation"])


def t_doctor():
    """doctor: no missing engine here"""
    st, out, err = sh(["doctor"])
    eq((st, err), (0, ""))
    has(out, "CPU: ", "Kernel: ", "engine", "gnomon check")


def t_doctor_libdw():
    """doctor: what is wrong with a libdw that cannot be loaded"""
    folder = os.path.join(tmp, "nodw")
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, "libdw.so.1"), "w").close()
    p = subprocess.run([G, "doctor"], stdout=subprocess.PIPE, text=True, env=dict(os.environ, LD_LIBRARY_PATH=folder))
    line = [x for x in p.stdout.splitlines() if x[10:].startswith("libdw ")]
    eq((p.returncode, len(line), line[0].split()[0]), (0, 1, "missing"))
    has(line[0], "too short", "no symbols")


def t_no_engine():
    """no engine: one line"""
    lone = os.path.join(tmp, "lone")
    os.makedirs(lone, exist_ok=True)
    shutil.copy(G, lone)
    p = subprocess.run([lone + "/gnomon", "check", "true"], stderr=subprocess.PIPE)
    if p.returncode != 0:  # an installed engine may be found
        eq((p.returncode, p.stderr.count(b"\n")), (125, 1))
        has(p.stderr.decode(), "gnomon: no gnomon-engine beside gnomon")


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
setup()
tests = [f for n, f in list(globals().items()) if n.startswith("t_")]
print(f"1..{len(tests)}")
for f in tests:
    test(f)
sys.exit(failed > 0)
