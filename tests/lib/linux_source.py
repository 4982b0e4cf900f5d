# SPDX-License-Identifier: MIT
"""Linux' own tests: from Debian's source package of 7.2 or later, which is large and stays outside of this repository.
SOURCE in the environment is the package or a folder with its contents; without it apt-get fetches it from sid (160 MB)."""
import glob
import os
import re
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = os.environ.get("MIRROR", "http://deb.debian.org/debian")
TESTS = "tools/testing/selftests"


def apt(work, *argv):
    """apt-get and apt-cache that know sid and nothing of this machine's packages"""
    conf = os.path.join(work, "apt.conf")
    if not os.path.exists(conf):
        for d in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(work, d), exist_ok=True)
        with open(os.path.join(work, "sources.list"), "w") as f:
            f.write("deb [signed-by=%s] %s sid main\n" % (KEYRING, MIRROR))
        with open(conf, "w") as f:
            f.write("""Dir::Etc::sourcelist "%s/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "%s/lists";
Dir::Cache "%s/cache";
""" % (work, work, work))
    return subprocess.run(argv, cwd=work, env=dict(os.environ, APT_CONFIG=conf), check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def package(work):
    """the newest one that has the tests"""
    kept = glob.glob(os.path.join(work, "linux-source-*.deb"))
    if kept:
        return kept[0]
    apt(work, "apt-get", "-q", "update")
    names = re.findall(r"^linux-source-(\d+)\.(\d+) ", apt(work, "apt-cache", "search", "--names-only",
                                                           "^linux-source-[0-9.]+$"), re.M)
    newest = max((int(a), int(b)) for a, b in names)
    if newest < (7, 2):
        raise OSError("sid has no Linux 7.2")
    apt(work, "apt-get", "-q", "download", "linux-source-%d.%d" % newest)
    return glob.glob(os.path.join(work, "linux-source-*.deb"))[0]


def folder(work):
    """where the few folders are that the tests are built from; raises what package() does"""
    source = os.environ.get("SOURCE") or package(work)
    if os.path.isdir(source):
        return source
    to = os.path.join(work, "linux")
    os.makedirs(to, exist_ok=True)
    subprocess.run(["/bin/bash", "-o", "pipefail", "-c",
                    "dpkg-deb --fsys-tarfile \"$1\" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | "
                    "tar -xJ -C \"$2\" --strip-components=1 --wildcards '*/tools/testing/selftests/futex/*' "
                    "'*/tools/testing/selftests/x86/*' '*/tools/testing/selftests/kselftest*.h'", "bash", source, to], check=True)
    return to


def shadow_stack_tests(linux, work):
    """{program: file with its recording}: the kernel's test as it is, which ends where 7.2 refuses userfaultfd, and going on"""
    tests = os.path.join(linux, TESTS)
    with open(os.path.join(tests, "x86/test_shadow_stack.c")) as f:
        text = f.read()
    on = re.sub(r"(\[FAIL\]\\tUserfaultfd test\\n\"\);\n)\s*goto out;\n", r"\1", text)
    made = {}
    for name, source in (("upstream", text), ("upstream_all", on)):
        src, exe = os.path.join(work, name + ".c"), os.path.join(work, name)
        with open(src, "w") as f:
            f.write(source)
        subprocess.run(["gcc", "-O2", "-w", "-static", "-s", "-pthread", "-I" + tests, "-I" + os.path.join(tests, "x86"), src, "-o",
                        exe], check=True)
        made[exe] = name + ".truth"
    return made


def normal(text):
    """what is different each time"""
    return re.sub(r"\b7f[0-9a-f]{10}\b", "ADDRESS", text.replace("\r", ""))
