# SPDX-License-Identifier: MIT
"""Inputs of the benchmark, from a fixed seed: the same bytes on every machine. Also used by the tests."""
import os
import random

WORDS = ("time year people way day man thing woman life child world school state family student group country "
         "problem hand part place case week company system program question work government number night point "
         "home water room mother area money story fact month lot right study book eye job word business issue "
         "side kind head house service friend father power hour game line end member law car city community").split()


def text(r, size):
    """prose with repetition: sentences, numbers, some binary-looking identifiers"""
    out, n = [], 0
    while n < size:
        line = " ".join(r.choice(WORDS) for _ in range(r.randint(4, 14)))
        if r.random() < 0.2:
            line += " %08x" % r.getrandbits(32)
        line = line.capitalize() + ".\n"
        out.append(line)
        n += len(line)
    return "".join(out)[:size].encode()


def records(r, size):
    """fixed-size binary records with small differences"""
    out = bytearray()
    v = 0
    while len(out) < size:
        v += r.randint(1, 9)
        out += v.to_bytes(8, "little") + r.choice(WORDS).encode().ljust(12, b"\0") + r.randbytes(4)
    return bytes(out[:size])


def mixed(r, size):
    return b"".join((text if i % 2 == 0 else records)(r, size // 8) for i in range(8))


def log(r, lines):
    out = []
    hosts = ["10.%d.%d.%d" % (r.randint(0, 9), r.randint(0, 255), r.randint(1, 254)) for _ in range(300)]
    for i in range(lines):
        path = "/" + "/".join(r.choice(WORDS) for _ in range(r.randint(1, 4))) + r.choice([".html", "", ".png", "/"])
        out.append('%s - [%02d/Jan:%02d:%02d] "%s %s" %d %d\n' % (
            r.choice(hosts), i // 4000 + 1, i // 170 % 24, i % 60, r.choice(["GET", "GET", "POST"]), path,
            r.choice([200, 200, 200, 304, 404, 500]), r.randint(20, 90000)))
    return "".join(out).encode()


def keys(r, lines):
    return "".join("%s %d %s\n" % (r.choice(WORDS), r.randint(0, 999999), r.choice(WORDS))
                   for _ in range(lines)).encode()


def c_source(r, functions):
    """C without any include: structures, loops, switches, float, pointers; compiles without warnings that matter"""
    o = ["typedef unsigned long u64; typedef unsigned u32;",
         "struct rec { u32 a, b; u64 c; double d; struct rec *next; unsigned char buf[32]; };",
         "extern void *malloc(u64); extern int printf(const char *, ...);",
         "static u64 table[256];"]
    for i in range(functions):
        kind = i % 5
        k = [r.randint(1, 1 << 20) for _ in range(6)]
        callee = "f%d" % r.randint(max(0, i - 40), i - 1) if i else None
        call = "%s(p, x ^ %du)" % (callee, k[0]) if callee else "x"
        o.append("__attribute__((noinline)) u64 f%d(struct rec *p, u64 x)\n{" % i)
        if kind == 0:
            o.append("\tu64 s = x;\n\tfor (u32 i = 0; i < (p->a & 63); i++) {\n\t\ts = s * %du + p->buf[i & 31];\n"
                     "\t\tif (s & %du)\n\t\t\ts ^= table[(s >> %d) & 255];\n\t\telse if (p->next)\n\t\t\t"
                     "p = p->next;\n\t}\n\treturn s + %s;" % (k[1] | 1, k[2], k[3] % 50, call))
        elif kind == 1:
            o.append("\tswitch (x % 13) {")
            for c in range(12):
                o.append("\tcase %d: p->a += %du; x = x * %d + p->b; %s" % (
                    c, k[c % 6], c * 7 + 3, "break;" if c % 4 else "/* fall through */"))
            o.append("\tdefault: x ^= %s;\n\t}\n\treturn x;" % call)
        elif kind == 2:
            o.append("\tdouble a[16], t = p->d;\n\tfor (int i = 0; i < 16; i++)\n\t\ta[i] = t * i + %d.5;\n"
                     "\tfor (int j = 0; j < 4; j++)\n\t\tfor (int i = 1; i < 16; i++)\n\t\t\ta[i] += a[i - 1] * 0.25 + "
                     "a[(i * %d) & 15];\n\tp->d = a[15];\n\treturn (u64)a[%d] + %s;" % (k[1], k[2], k[3] & 15, call))
        elif kind == 3:
            o.append("\tstruct rec *q = p;\n\tu32 n = 0;\n\twhile (q && n++ < %du) {\n\t\tif (q->c > x) {\n\t\t\tq->c -= x;"
                     "\n\t\t\tq->b = q->b << 3 | q->b >> 29;\n\t\t} else {\n\t\t\tu64 t = q->c;\n\t\t\tq->c = x;\n\t\t\tx = t;"
                     "\n\t\t}\n\t\tq->buf[n & 31] ^= (unsigned char)(x >> (n & 7));\n\t\tq = q->next;\n\t}\n"
                     "\treturn x + %s;" % (k[1] % 64 + 1, call))
        else:
            o.append("\tu32 h = %du;\n\tfor (int i = 0; i < 32; i++) {\n\t\th ^= p->buf[i];\n\t\th *= 16777619u;\n\t}\n"
                     "\tif (h == x)\n\t\treturn %s;\n\treturn p->next ? f%d(p->next, h) : (u64)h << 7;" % (k[0], call, i))
        o.append("}")
    o.append("int main(void)\n{\n\tstruct rec *p = 0;\n\tu64 s = 1;\n\tfor (int i = 0; i < 20; i++) {\n\t\tstruct rec *q = "
             "malloc(sizeof(*q));\n\t\tfor (int j = 0; j < 32; j++)\n\t\t\tq->buf[j] = (unsigned char)(i * j);\n"
             "\t\tq->a = i; q->b = i * 3; q->c = i * 77; q->d = i;\n\t\tq->next = p;\n\t\tp = q;\n\t}")
    for i in range(max(0, functions - 60), functions):
        o.append("\ts ^= f%d(p, s);" % i)
    o.append('\tprintf("%lu\\n", s);\n\treturn 0;\n}')
    return "\n".join(o).encode() + b"\n"


def functions(r, n):
    """C: n functions that call others, all called in turn: more branches than a CPU's tables hold"""
    o = ["#include <stdio.h>", "#include <stdlib.h>", "static volatile unsigned g[64];"]
    for i in range(n):
        k = [r.randrange(m) for m in (8, 64, 1000, 1000, 8, 64, 64, i + 1)]
        o.append("__attribute__((noinline)) static unsigned h%d(unsigned x)\n{\n\tif (x & %d)\n\t\tx ^= g[%d];\n\telse\n\t\tx += %d;\n"
                 "\treturn x * %d;\n}" % (i, 1 << k[0], k[1], k[2], k[3] | 1))
        o.append("__attribute__((noinline)) static unsigned f%d(unsigned x)\n{\n\tunsigned y = h%d(x);\n\tif (y & %d)\n\t\ty += g[%d];\n"
                 "\tg[%d] = y;\n\tfor (int k = 0; k < 2; k++) {\n\t\ty = y * 31 + k;\n\t\tif (y & 4)\n\t\t\ty ^= x;\n\t}\n"
                 "\tif (x & 16)\n\t\ty += h%d(y);\n\treturn y;\n}" % (i, i, 1 << k[4], k[5], k[6], k[7]))
    o.append("int main(int argc, char **argv)\n{\n\tunsigned x = argc - 1;\n\tfor (long n = atol(argv[1]); n; n--) {")
    o += ["\t\tx += f%d(x);" % i for i in range(n)]
    o.append('\t}\n\tprintf("%u\\n", x);\n}')
    return "\n".join(o).encode() + b"\n"


def cxx_source(r, classes):
    """C++ with the containers and algorithms of the standard library, to be preprocessed on the machine"""
    o = ["#include <algorithm>", "#include <map>", "#include <memory>", "#include <numeric>", "#include <string>",
         "#include <vector>", "#include <functional>", "#include <cstdio>",
         "struct base { virtual ~base() = default; virtual long run(long) const = 0; };",
         "template <int N, class T> struct mixer { T v[N]; long sum() const { long s = 0; for (auto &x : v) s += long(x) * N; "
         "return s; } };"]
    for i in range(classes):
        t = r.choice(["int", "long", "short", "float", "double"])
        o.append("""struct c%d : base {
	std::vector<%s> v; std::map<std::string, %s> m; mixer<%d, %s> x{};
	explicit c%d(long n) { for (long i = 0; i < n; i++) { v.push_back(%s(i * %d)); m[std::to_string(i %% %d)] += %s(i); } }
	long run(long a) const override {
		auto w = v; std::sort(w.begin(), w.end(), [a](auto l, auto r) { return (long(l) ^ a) < (long(r) ^ a); });
		std::function<long(long)> f = [&](long k) { return k < 2 ? k : long(w[std::size_t(k) %% w.size()]) + k / 2; };
		long s = x.sum(); for (auto &[k, val] : m) s += long(val) * long(k.size()) + f(a %% 97);
		return s + std::accumulate(w.begin(), w.end(), 0L, [](long l, auto r) { return l + long(r); });
	}
};""" % (i, t, t, r.randint(3, 40), t, i, t, r.randint(1, 99), r.randint(5, 50), t))
    o.append("int main() { std::vector<std::unique_ptr<base>> all;")
    o += ["all.push_back(std::make_unique<c%d>(%d));" % (i, 50 + i) for i in range(classes)]
    o.append('long s = 0; for (auto &b : all) s = s * 3 + b->run(s & 1023); std::printf("%ld\\n", s); }')
    return "\n".join(o).encode() + b"\n"


def make(folder, name, f):
    """folder/name, made once"""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        data = f(random.Random("gnomon " + name))
        with open(path + ".tmp", "wb") as out:
            out.write(data)
        os.rename(path + ".tmp", path)
    return path
