#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The forms of output: table, JSON lines, SARIF, the HTML page in headless Chromium, the line of progress; and that the
manual, the help texts and the rules agree. Prints TAP."""
import html.parser
import pty
import re
import select
import zlib

from audit_lib import *

CET = ["-Wl,-z,shstk"]
cc("set/libplain.so", "int plain(void) { return 1; }", "-shared", "-fPIC")
cc("set/libmarked.so", "int marked(void) { return 1; }", "-shared", "-fPIC", *CET)
cc("set/prog", '''int plain(void), marked(void);
__asm__(".globl trampoline\\n.type trampoline,@function\\ntrampoline: lea 1f(%rip), %rax; push %rax; ret; 1: ret\\n"
".size trampoline,.-trampoline\\n"); void trampoline(void);
int main(void) { trampoline(); return plain() + marked() - 2; }''', *CET, "-Lset", "-lplain", "-lmarked", "-Wl,-rpath," + tmp + "/set")
cc("set/</script><b>&amp;", "int main(void) { return 0; }", *CET)
for n in os.listdir("set"):
    if n.endswith(".c"):
        os.unlink("set/" + n)
P = tmp + "/set/prog"

# ---- table
r = audit("set/prog")
ok("a file in full", r.status == 0 and "SHSTK yes, IBT no" in r.out and "vetoed: 2 of its 3 libraries" in r.out and
   "push-ret (high)" in r.out and "trampoline+0x" in r.out and "help: jump through a register" in r.out, r)
r = audit("set")
ok("a folder in numbers", "2 programs, 2 marked; 2 libraries, 1 marked" in r.out and re.search(r"\b1 +0  .*libplain.so", r.out) and
   re.search(r"1  push-ret", r.out), r)
r = audit("-l", "set")
ok("a folder as a list", re.search(r"yes +no +\S+ +program +%s  vetoed by" % P, r.out), r)
ok("nothing with -q", audit("-q", "set").out == "", audit("-q", "set"))

# ---- JSON
r = result("set")
e = r.files[P]
ok("JSON: a program", e["by_marks"] == "vetoed" and e["verdict"] == "no support" and e["policies"] == {
    "none": False, "hwcaps": False, "on": False, "permissive": False, "off": False} and tmp + "/set/libplain.so" in e["vetoed_by"], e)
f = [x for x in e["findings"] if x["rule"] == "push-ret"][0]
ok("JSON: a finding with place, confidence and help", f["symbol"] == "trampoline" and f["confidence"] == "high" and f["help"] and
   int(f["address"], 16) > f["symbol_offset"], f)
ok("JSON: totals", r.totals["programs"] == 2 and r.totals["libraries_marked"] == 1 and r.totals["findings"]["push-ret"] == 1, r.totals)
ok("the same from one thread", result("-j", "1", "set").files == r.files and result("-j", "7", "set").files == r.files)

# ---- SARIF
audit("-q", "--sarif", "out.sarif", "set")
s = json.loads(read("out.sarif").decode())
run0 = s["runs"][0]
hits = [x for x in run0["results"] if x["ruleId"] == "push-ret"]
ok("SARIF: version, rules, one result for the finding", s["version"] == "2.1.0" and len(hits) == 1 and
   run0["tool"]["driver"]["rules"][hits[0]["ruleIndex"]]["id"] == "push-ret" and hits[0]["level"] == "error", hits)
place = hits[0]["locations"][0]
ok("SARIF: place", place["physicalLocation"]["artifactLocation"] == {"uri": P[1:], "uriBaseId": "ROOT"} and
   place["logicalLocations"][0]["name"] == "trampoline" and place["physicalLocation"]["address"]["absoluteAddress"] > 0, place)
ok("SARIF: every result names a rule that is there, every rule has help", all(
    run0["tool"]["driver"]["rules"][x["ruleIndex"]]["id"] == x["ruleId"] for x in run0["results"]) and all(
        x["help"]["text"] and x["shortDescription"]["text"] for x in run0["tool"]["driver"]["rules"]))

# ---- HTML: well-formed, self-contained
audit("-q", "--html", "page.html", "set")
page = read("page.html").decode()


class Check(html.parser.HTMLParser):
    VOID = {"meta", "input", "br", "link", "img"}

    def __init__(self):
        super().__init__()
        self.open, self.bad, self.outside, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if "id" in a:
            self.ids.append(a["id"])
        for k in ("src", "href"):
            if k in a and not a[k].startswith("#"):
                self.outside.append(a[k])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)


c = Check()
c.feed(page)
ok("page: tags in pairs, ids once, nothing from elsewhere", not c.bad and not [t for t in c.open if t not in ("html", "body")] and
   len(c.ids) == len(set(c.ids)) and not c.outside and "http" not in re.sub(r'http-equiv|http://www.w3.org/2000/svg', "", page.split(
       'id="data"')[0] + page.split("</script>")[-2]), c.bad, c.open, c.outside)
data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))
names = [f[0] for f in data["files"]]
ok("page: names that look like HTML stay names", tmp + "/set/</script><b>&amp;" in names, names)

# ---- in Chromium
chromium = shutil.which("chromium")


def pixels(path):
    """colour of the corner of a PNG, which is the page's background"""
    d = read(path)
    at, idat = 8, b""
    while at < len(d):
        n, kind = struct.unpack_from(">I4s", d, at)
        if kind == b"IDAT":
            idat += d[at + 8:at + 8 + n]
        at += 12 + n
    raw = zlib.decompress(idat)
    return tuple(raw[1:4])


def browse(*args, address=""):
    return run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--user-data-dir=" + tmp + "/chromium", *args, "file://" + tmp + "/page.html" + address], timeout=120)


if not chromium:
    for name in ("opens", "search", "filter", "picture", "dark"):
        skip("page in Chromium: " + name, "chromium is not installed: tools/deps audit")
else:
    r = browse("--dump-dom", "--enable-logging=stderr", "--v=0")
    rows = re.findall(r'<tr tabindex="0" data-i="\d+"|data-i="\d+" tabindex="0"', r.out)
    ok("page in Chromium: opens without errors, lists all files", len(rows) == len(data["files"]) and "CONSOLE" not in r.err and
       "4 files" in r.out or len(rows) == len(data["files"]), len(rows), r.err[-1500:])
    errors = [x for x in r.err.splitlines() if "CONSOLE" in x]
    ok("page in Chromium: the console is silent", not errors, errors)
    r = browse("--dump-dom", address="#q=LIBPL")
    ok("page in Chromium: search", re.search(r'id="count">1 file<', r.out) and "libplain.so</td>" in r.out and
       "libmarked.so</td>" not in r.out, r.out[-3000:])
    r = browse("--dump-dom", address="#show=rule:push-ret")
    ok("page in Chromium: filter by finding", re.search(r'id="count">1 file<', r.out) and "prog</td>" in r.out, r.out[-3000:])
    r = browse("--dump-dom", address="#show=blocks&sort=blocks")
    ok("page in Chromium: filter and order by programs in whose way", re.search(r'id="count">\d files<', r.out) and
       r.out.index('libc.so.6</td>') < r.out.index('libplain.so</td>', r.out.index('id="rows"')), r.out[-3000:])
    r = browse("--dump-dom", address="#file=" + P)
    detail = r.out.split('id="detail"')[1].split("<table>")[0]
    svg = detail[detail.index("<svg"):]
    ok("page in Chromium: a program's findings and picture of dependencies", "trampoline+0x" in detail and "vetoed by 2" in detail and
       all(n in svg for n in ("libplain.so", "libmarked.so", "libc.so.6")) and svg.count("<path") >= 3 and 'class="bad"' in svg,
       detail[:3000])
    back = {}
    for scheme, flag in (("light", "1"), ("dark", "0")):
        browse("--screenshot=" + tmp + "/shot.png", "--window-size=900,700", "--blink-settings=preferredColorScheme=" + flag)
        back[scheme] = pixels("shot.png")
    ok("page in Chromium: light and dark", min(back["light"]) > 240 and max(back["dark"]) < 60, back)

# ---- progress
def on_terminal(*args):
    """what the audit writes on a terminal as standard error"""
    master, slave = pty.openpty()
    p = subprocess.Popen([AUDIT, *args], stdout=subprocess.DEVNULL, stderr=slave, stdin=subprocess.PIPE)
    os.close(slave)
    return p, master


os.mkfifo("slow")
p, master = on_terminal("-l", "--files-from", "slow")
with open("slow", "w") as f:
    f.write(P + "\n")
    f.flush()
    said = b""
    # the list has no end yet: the line must come by itself
    while b"files" not in said and select.select([master], [], [], 20)[0]:
        said += os.read(master, 4096)
p.communicate()
ok("a line of progress on a terminal when it takes long", b"gnomon: 1 files" in said or b"gnomon: 0 files" in said, said)
os.close(master)
p, master = on_terminal("-l", "set")
p.communicate()
try:
    said = os.read(master, 4096) if select.select([master], [], [], 0.2)[0] else b""
except OSError:  # nobody has the other end open any more
    said = b""
os.close(master)
ok("no progress when it is quick", said == b"", said)

# ---- texts
man = read(os.path.join(build, "gnomon-audit.1")).decode().replace("\\-", "-")
part = man.split(".SH OPTIONS")[1].split("\n.SH")[0]
for cmd in ("", "diff", "query", "import", "merge", "show"):
    helped = set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", audit(*cmd.split(), "--help").out, re.M))
    listed = set()
    for section in part.split("\n.SS ")[1:]:
        title, _, body = section.partition("\n")
        if title == "All commands" or ("audit " + cmd).strip() in re.split(", | and ", title):
            listed |= set(re.findall(r'^\.BI?R? (?:-\w ", " )?(--[\w-]+)', body, re.M))
    ok("help and manual know the same options: audit " + cmd, helped and helped == listed, helped, listed)
rule_names = set(re.findall(r'^RULE\(\w+, "([a-z-]+)"', read(os.path.join(TOP, "audit", "rules.def")).decode(), re.M))
for name, text in (("the manual", man), ("docs/audit.md", read(os.path.join(TOP, "docs", "audit.md")).decode() if os.path.exists(
        os.path.join(TOP, "docs", "audit.md")) else "")):
    ok(name + " has every rule", all(n in text for n in rule_names), [n for n in rule_names if n not in text])
for cmd in ([], ["diff"], ["query"], ["import"], ["merge"], ["show"]):
    r = audit(*cmd, "--help")
    ok("help: " + " ".join(["audit"] + cmd), r.status == 0 and r.out.startswith("Usage: gnomon audit") and max(map(len, r.out.splitlines()))
       <= 110, r)
r = run([G, "check", "--", AUDIT, "--version"])
ldd = run(["ldd", G]).out
ok("the command itself loads no library of the audit", not re.search("archive|sqlite|Zydis", ldd), ldd)
ldd = run(["ldd", AUDIT]).out
ok("libarchive is not loaded before there is an archive", not re.search("archive|xml|icu", ldd), ldd)
done()
