#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Code rules that gnomon check has no label for: JIT engines, readiness, retpolines as compilers make them, code whose
functions only its padding tells apart. Prints TAP."""
from audit_lib import *

CODE_RULES = {"stack-switch", "push-ret", "retpoline", "return-edit", "return-jump", "call-pop", "setjmp"}


def code_rules(path):
    return sorted({f["rule"] for f in one(path).get("findings", []) if f["rule"] in CODE_RULES})


def why_jit(path):
    return [f.get("detail") for f in one(path).get("findings", []) if f["rule"] == "jit"]


# ---- JIT engines: by what is linked, imported, exported, and by segments
cc("libLLVM-99.so", "int llvm;", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libLLVM-99.so.1")
cc("links", "int main(void) { return 0; }", "-Wl,--no-as-needed", "libLLVM-99.so")
ok("jit: a library", why_jit("links") == ["links LLVM"], one("links"))
for name, why in (("libpypy3.9-c.so", "links PyPy"), ("libguile-3.0.so.1", "links Guile, whose code is compiled as it runs")):
    cc(name, "int engine;", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname," + name)
    cc("engine", "int main(void) { return 0; }", "-Wl,--no-as-needed", "./" + name)
    ok("jit: " + name, why_jit("engine") == [why], one("engine"))
cc("imports.so", "int pcre2_jit_compile_8(void *, int); int f(void) { return pcre2_jit_compile_8(0, 1); }", "-shared", "-fPIC")
ok("jit: an import", why_jit("imports.so") == ["compiles regular expressions (PCRE2's JIT)"], one("imports.so"))
cc("exports.so", "void __jit_debug_register_code(void) { }", "-shared", "-fPIC")
ok("jit: an export", why_jit("exports.so") == ["tells debuggers of code that it generates"], one("exports.so"))
cc("rwx", '__asm__(".section .code,\\"awx\\"\\nret\\n.text"); int main(void) { return 0; }')
ok("jit: a segment that is writable and executable", why_jit("rwx") == ["has a segment that is writable and executable"], one("rwx"))
cc("none", "int main(void) { return 0; }")
ok("jit: nothing of it", why_jit("none") == [] and why_jit("libLLVM-99.so") == [])

# ---- readiness: ENDBR64 at the beginning of functions, the mark lost by one object without
functions = "".join("int f%d(int x) { return x * %d; }\n" % (n, n + 3) for n in range(12))
cc("loses.o", "int loses(void) { return 1; }", "-c")
cc("ready.so", functions, "-shared", "-fPIC", "-fcf-protection=full", "loses.o")
cc("bare.so", functions, "-shared", "-fPIC")
cc("switches.so", functions + '__asm__(".globl s\\n.type s,@function\\ns: .cfi_startproc\\nlea 1f(%rip), %rax\\npush %rax\\nret\\n1: ret\\n'
   '.cfi_endproc\\n.size s,.-s\\n");', "-shared", "-fPIC", "-fcf-protection=full", "loses.o")
cc("marked.so", functions, "-shared", "-fPIC", "-fcf-protection=full", "-Wl,-z,shstk", "loses.o")
found = {n: [f["confidence"] for f in one(n + ".so").get("findings", []) if f["rule"] == "ready-unmarked"] for n in (
    "ready", "bare", "switches", "marked")}
ok("ready-unmarked", found == {"ready": ["medium"], "bare": [], "switches": [], "marked": []}, found)

# ---- retpolines as compilers make them
INDIRECT = """
int one(int x) { return x + 1; } int two(int x) { return x * 2; }
int (*volatile f[2])(int) = { one, two };
int main(int argc, char **argv) { int s = 0; for (int i = 0; i < 10; i++) s += f[i & 1](i); return s != 45; }
"""
flags = [["gcc", "-mindirect-branch=thunk"], ["gcc", "-mindirect-branch=thunk-inline"], ["gcc", "-mfunction-return=thunk"],
         ["gcc", "-mindirect-branch=thunk-inline", "-mfunction-return=thunk-inline"]]
if shutil.which("clang"):
    flags.append(["clang", "-mretpoline"])
for compiler, *more in flags:
    must([compiler, "-w", "-O2", "-fcf-protection=none", *more, "-x", "c", write("indirect.c", INDIRECT), "-o", "indirect"])
    ok(" ".join(["retpoline:", compiler] + more), code_rules("indirect") == ["retpoline"], one("indirect"))
must(["gcc", "-w", "-O2", "-fcf-protection=none", "indirect.c", "-o", "indirect"])
ok("retpoline: not without", code_rules("indirect") == [])

# ---- no unwind information, no symbols: the padding of linkers tells where functions begin; what stands where nobody can
# tell that says nothing
SWITCH = "mov 0x40(%rbx), %rsp\nmov 0x48(%rbx), %rbp\nmov $1, %eax\nret\n"
PADDING = ".byte 0xcc, 0xcc, 0xcc\n.balign 16, 0xcc\n"
FILL = "".join("add $%d, %%eax\nxor %%ecx, %%eax\nret\n.balign 16, 0xcc\n" % n for n in range(2000))


def bare(name, code):
    asm(".text\n.globl _start\n_start: ret\n" + PADDING + FILL + code + PADDING + FILL, name + ".o")
    must(["ld", "-s", "-o", name, name + ".o"])
    return code_rules(name)


ok("no bounds: behind padding", bare("padded", PADDING + SWITCH) == ["stack-switch"], one("padded"))
ok("no bounds: in the middle of something", bare("middle", PADDING + "add $1, %eax\n" * 3000 + SWITCH) == [], one("middle"))
# its %rbp is a frame pointer: the frame is its own
ok("no bounds: a part of a function", bare("part", PADDING + "mov %rbp, %rsp\npop %rbp\npop %r10\nlea (%rsp,%rcx,8), %rsp\n"
                                           "push %r10\nret\n") == [], one("part"))
done()
