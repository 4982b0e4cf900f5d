#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A survey in parts: under GNU parallel, and as an array of a Slurm cluster of one node made from Debian's packages. The
parts merged are what one audit says. Prints TAP."""
import getpass
import socket
import time

from audit_lib import *

# a small archive of packages
CET = ["-Wl,-z,shstk"]
os.makedirs("pool")
L = "usr/lib/x86_64-linux-gnu/"


def deb(name, files):
    top = "build/" + name
    for path, flags in files.items():
        cc(os.path.join(top, path), "int %s(void) { return 1; }" % ("_start" if "bin" in path else "f"), "-nostdlib",
           "-Wl,--no-as-needed", *flags)
        os.unlink(os.path.join(top, path) + ".c")
    must(["tar", "-C", top, "-cJf", "data.tar.xz", "."])
    write("debian-binary", b"2.0\n")
    write("control.tar.xz", b"")
    path = "pool/%s.deb" % name
    must(["ar", "rc", path, "debian-binary", "control.tar.xz", "data.tar.xz"])
    return path


stub = cc("stub/libone.so", "int f(void){return 1;}", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libone.so")
shared = ["-shared", "-fPIC"]
deb("libone", {L + "libone.so": shared + ["-Wl,-soname,libone.so"]})
deb("libtwo", {L + "libtwo.so": shared + CET + ["-Wl,-soname,libtwo.so", stub]})
for n in range(12):
    deb("prog%02d" % n, {"usr/bin/prog%02d" % n: CET + ([stub] if n % 3 else []), L + "libextra%02d.so" % n: shared})
whole = result("--db", "whole.db", "pool", timeout=600)
progs = {n: e["by_marks"] for n, e in whole.files.items() if e["kind"] == "program"}
ok("the archive in one go: programs, libraries of other packages", len(progs) == 12 and
   sorted(set(progs.values())) == ["enabled", "vetoed"] and list(progs.values()).count("vetoed") == 8, progs, whole.ran)


def same_as_whole(name, parts):
    if os.path.exists("merged.db"):
        os.unlink("merged.db")
    r = audit("merge", "-q", "--db", "merged.db", *parts)
    m = Result(audit("show", "--db", "merged.db", "--json"))
    ok(name, r.status == 0 and m.files == whole.files, r, [(n, m.files.get(n), whole.files[n]) for n in whole.files
                                                           if m.files.get(n) != whole.files[n]][:2])


# ---- GNU parallel
if shutil.which("parallel"):
    r = run(["sh", "-c", "seq 4 | parallel --will-cite -j 2 %s audit -q --db p{#}.db --shard {#}/4 pool" % G])
    same_as_whole("GNU parallel, shards by job number", ["p%d.db" % n for n in (1, 2, 3, 4)])
    r = run(["sh", "-c", "seq 3 | parallel --will-cite -j 2 -N 0 %s audit -q --db a{#}.db --shard /3 pool" % G])
    same_as_whole("GNU parallel, shards taken from PARALLEL_SEQ", ["a%d.db" % n for n in (1, 2, 3)])
    r = run(["sh", "-c", "find %s/pool -name '*.deb' | parallel --will-cite -j 2 -n 3 %s audit -q --db s{%%}.db {}" % (tmp, G)])
    parts = sorted(x for x in os.listdir(".") if x.startswith("s") and x.endswith(".db"))
    ok("GNU parallel, a database for each slot", 1 <= len(parts) <= 2, parts, r)
    merged = audit("merge", "-q", "--db", "slots.db", *parts)
    m = Result(audit("show", "--db", "slots.db", "--json"))
    ok("merged, the slots' databases are the whole", m.files == whole.files, merged, sorted(set(whole.files) ^ set(m.files))[:5],
       [(n, m.files.get(n), whole.files[n]) for n in whole.files if m.files.get(n) != whole.files[n]][:1])
else:
    skip("GNU parallel", "parallel is not installed")

# ---- Slurm: controller and one node, as root, all files below the work folder
daemons = []


def slurm():
    for need in ("slurmctld", "slurmd", "munged", "sbatch"):
        if not shutil.which(need, path=os.environ["PATH"] + ":/usr/sbin"):
            return need + " is not installed: tools/deps audit"
    if os.getuid():
        return "needs root"
    os.chmod(tmp, 0o755)
    host = socket.gethostname().split(".")[0]
    s = tmp + "/slurm"
    for d in ("munge", "ctld", "d", "log", "run"):
        os.makedirs("%s/%s" % (s, d))
    write(s + "/munge/key", os.urandom(1024), 0o400)
    os.chmod(s + "/munge", 0o700)
    sock = s + "/run/munge.socket"
    cpus = len(os.sched_getaffinity(0))
    write(s + "/slurm.conf", """ClusterName=test
SlurmctldHost=%(host)s(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=%(sock)s
CryptoType=crypto/munge
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort=%(p1)d
SlurmdPort=%(p2)d
StateSaveLocation=%(s)s/ctld
SlurmdSpoolDir=%(s)s/d
SlurmctldPidFile=%(s)s/run/ctld.pid
SlurmdPidFile=%(s)s/run/d.pid
SlurmctldLogFile=%(s)s/log/ctld
SlurmdLogFile=%(s)s/log/d
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1
MpiDefault=none
ReturnToService=2
NodeName=%(host)s NodeAddr=127.0.0.1 CPUs=%(cpus)d State=UNKNOWN
PartitionName=all Nodes=%(host)s Default=YES MaxTime=INFINITE State=UP
""" % {"host": host, "sock": sock, "s": s, "cpus": cpus, "p1": free_port(), "p2": free_port()})
    env = dict(os.environ, SLURM_CONF=s + "/slurm.conf", PATH=os.environ["PATH"] + ":/usr/sbin")
    log = open(s + "/log/out", "w")
    for argv in (["munged", "-F", "--force", "--key-file", s + "/munge/key", "--socket", sock, "--log-file", s + "/munge/log", "--pid-file",
                  s + "/munge/pid", "--seed-file", s + "/munge/seed"],
                 ["slurmctld", "-D", "-f", s + "/slurm.conf"], ["slurmd", "-D", "-f", s + "/slurm.conf", "-N", host]):
        daemons.append(subprocess.Popen(argv, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True))
        for _ in range(100):
            if argv[0] != "munged" or os.path.exists(sock):
                break
            if daemons[-1].poll() is not None:
                return "%s does not start: %s" % (argv[0], read(s + "/log/out").decode()[-300:])
            time.sleep(0.1)
    for _ in range(300):
        r = run(["sinfo", "-h", "-o", "%T"], env=env)
        if r.out.strip() == "idle":
            return env
        if any(d.poll() is not None for d in daemons):
            break
        time.sleep(0.2)
    return "the node does not come up here: %s %s" % (run(["sinfo"], env=env).out[-200:], read(s + "/log/out").decode()[-300:])


def free_port():
    with socket.socket() as k:
        k.bind(("127.0.0.1", 0))
        return k.getsockname()[1]


try:
    env = slurm()
    if isinstance(env, str):
        skip("Slurm array", env.replace("\n", " "))
    else:
        write("job.sh", "#!/bin/sh\ncd %s && exec %s audit -q --shard auto --db array$SLURM_ARRAY_TASK_ID.db pool\n" % (tmp, G), 0o755)
        r = run(["sbatch", "--wait", "--array=0-3", "--output=" + tmp + "/array-%a.out", "job.sh"], env=env, timeout=200)
        said = " ".join(read("array-%d.out" % n).decode() for n in range(4) if os.path.exists("array-%d.out" % n))
        ok("Slurm array of four tasks", r.status == 0 and all(os.path.exists("array%d.db" % n) for n in range(4)), r, said)
        same_as_whole("Slurm array, merged", ["array%d.db" % n for n in range(4)])
finally:
    for d in reversed(daemons):
        d.terminate()
    for d in daemons:
        try:
            d.wait(10)
        except subprocess.TimeoutExpired:
            d.kill()
done()
