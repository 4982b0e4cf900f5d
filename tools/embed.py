#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py HTML CSS JS OUTPUT.c: the page of gnomon audit as C strings, split where the audit puts its own parts."""
import sys


def main(argv):
    html, css, js, out = argv
    read = lambda p: open(p, encoding="utf-8").read()
    page = read(html).replace("@CSS@", read(css).rstrip("\n")).replace("@JS@", read(js).rstrip("\n"))
    parts = []
    for mark in ("@HEAD@", "@DATA@"):
        before, _, page = page.partition(mark)
        parts.append(before)
    parts.append(page)
    with open(out, "w", encoding="ascii") as f:
        f.write("/* made by tools/embed.py from audit/page */\n")
        for n, text in enumerate(parts):
            f.write("const unsigned char page_part%d[] = {\n" % n)
            data = text.encode() + b"\0"
            for i in range(0, len(data), 24):
                f.write("\t" + ",".join(str(b) for b in data[i:i + 24]) + ",\n")
            f.write("};\n")


main(sys.argv[1:])
