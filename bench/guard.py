# SPDX-License-Identifier: MIT
"""What the guard costs: single operations, bare, with the library, with library and supervisor.

CPU time of the program's own thread; a supervisor's work is not in it, the waiting for it is not either. The lowest of the
rounds: what else the machine does only adds to a single operation.
"""
import subprocess

ROWS = [("mmap + munmap, 1 thread", "munmap", 1, 200000), ("mmap + munmap, 64 threads", "munmap", 64, 200000),
        ("munmap of nothing, 1 thread", "hole", 1, 1000000), ("munmap of nothing, 64 threads", "hole", 64, 300000),
        ("robust lock + unlock", "lock", 1, 3000000), ("pthread_create + join", "thread", 1, 10000),
        ("signal to itself", "signal", 1, 20000), ("fork + wait", "fork", 1, 500),
        ("vDSO's robust unlock", "unlock", 1, 5000000)]
WAYS = ("bare", "guard", "guard --supervise", "gnomon check")


def measure(gnomon, exe, rounds, env):
    """[{'name':, 'ns': {way: lowest}}]"""
    prefix = {"gnomon check": [gnomon, "check", "-q", "--"], "bare": [], "guard": [gnomon, "guard", "--"], "guard --supervise": [gnomon, "guard", "--supervise", "--"]}
    out = []
    for name, what, threads, count in ROWS:
        ns = {w: [] for w in WAYS}
        for _ in range(rounds):
            for w in WAYS:
                r = subprocess.run(prefix[w] + [exe, what, str(threads), str(count)], stdout=subprocess.PIPE, text=True,
                                   check=True, env=env)
                ns[w].append(float(r.stdout))
        out.append({"name": name, "ns": {w: min(v) for w, v in ns.items()}})
    return out


def markdown(rows):
    o = ["| robust mutexes, ns per operation | " + " | ".join(WAYS) + " |", "|---|" + "---|" * len(WAYS)]
    for r in rows:
        o.append("| %s | %s |" % (r["name"], " | ".join("%.1f" % x if x < 100 else "%.0f" % x for x in (r["ns"][w] for w in WAYS))))
    ns = {r["name"]: r["ns"] for r in rows}
    one, many, unlock = (ns["munmap of nothing, 1 thread"], ns["munmap of nothing, 64 threads"], ns["vDSO's robust unlock"])
    o += ["", "Lowest of the rounds. The scan changes a munmap by %+.0f ns with one thread and %+.0f ns with 64 (promised: 100 and 2000); the" % (
        one["guard"] - one["bare"], many["guard"] - many["bare"]),
          "vDSO's unlock takes %.1f ns more under the engine (promised: 2)." % (unlock["gnomon check"] - unlock["bare"])]
    return o
