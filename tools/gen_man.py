#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual from its text and the table of commands and options, so that neither can know what the other does not.

usage: gen_man.py opts.def gnomon.1.in VERSION [rules.def] >gnomon.1

In the text @SYNOPSIS@, @COMMANDS@ and @OPTIONS@ stand for lists, @VERSION@ for the version, @RULES@ for the rules of an
audit.
"""
import re
import sys


def arguments(text):
    """the arguments of one macro call, at its opening parenthesis; adjacent strings become one"""
    args, word, strings, depth, i = [], "", None, 0, 0
    while True:
        c = text[i]
        if c == '"':
            m = re.compile(r'"((?:[^"\\]|\\.)*)"').match(text, i)
            strings = (strings or "") + re.sub(r"\\(.)", r"\1", m.group(1))
            i = m.end()
            continue
        if c in ",)" and depth == 1:
            args.append(strings if strings is not None else word.strip())
            word, strings = "", None
            if c == ")":
                return args
        elif c in "()":
            depth += 1 if c == "(" else -1
        else:
            word += c
        i += 1


def table(path):
    with open(path) as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    commands, options = [], []
    for m in re.finditer(r"^(CMD|OPT)(?=\()", text, re.M):
        a = arguments(text[m.end():])
        if m.group(1) == "CMD":
            commands.append(dict(zip(("id", "name", "operands", "help", "run", "manual"), a)))
        else:
            options.append(dict(zip(("id", "short", "name", "arg", "commands", "help", "manual"), a)))
    return commands, options


def escape(s):
    return s.replace("\\", "\\e").replace("-", "\\-")


def prose(s, arg=None):
    """options and 'quoted words' bold, the option's argument and other words in capitals that are no names italic"""
    s = escape(s)
    s = re.sub(r"(?<![\w'])'([^']+)'(?!\w)", r"\\fB\1\\fR", s)
    s = re.sub(r"(?<![\w\\-])(\\-\\-\w[\w\\-]*)", r"\\fB\1\\fR", s)
    if arg:
        s = re.sub(r"\b%s\b" % arg, r"\\fI%s\\fR" % arg, s)
    return s


def sentence(option):
    s = option.get("manual") or option["help"][0].upper() + option["help"][1:] + "."
    return prose(s, option["arg"] if option["arg"] != "NULL" else None)


def synopsis(commands):
    out = []
    for c in commands:
        words = [".B gnomon " + c["name"], ".RI [ options ]"]
        for w in c["operands"].split():
            words.append(".RB [ \\-\\- ]" if w == "[--]" else ".I " + w)
        if not c["operands"]:
            del words[1]
        out.append("\n".join(words))
    if commands[0]["id"] == "SCAN":
        return "\n.br\n".join(out)
    return "\n.br\n".join(out + [".B gnomon \\-\\-help\n|\n.B \\-\\-version"])


def group(mask, commands):
    """heading of the options that belong to the same commands"""
    ids = {w.strip()[2:] for w in mask.split("|")} - {"HIDDEN", "GENERAL"}
    if "ALL" in ids:
        return "All commands"
    names = [c["name"] for c in commands if c["id"] in ids]
    if not names:
        return "Without a command"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def option_list(commands, options):
    groups = {}
    for o in options:
        if "C_HIDDEN" not in o["commands"]:
            groups.setdefault(group(o["commands"], commands), []).append(o)
    out = []
    for title, members in groups.items():
        out.append(".SS " + title)
        for o in members:
            name = escape("--" + o["name"])
            if o["short"] != "0":
                head = '.BR \\-%s ", " %s' % (o["short"].strip("'"), name)
            elif o["arg"] != "NULL":
                head = ".BI %s= %s" % (name, o["arg"])
            else:
                head = ".B " + name
            out += [".TP", head, sentence(o)]
    return "\n".join(out)


def rules(path):
    with open(path) as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    out = []
    for m in re.finditer(r"^RULE(?=\()", text, re.M):
        _, name, confidence, title, help_ = arguments(text[m.end():])
        out += [".TP", "\\fB%s\\fR (%s)" % (escape(name), confidence[5:].lower()), "%s. %s." % (
            escape(title[0].upper() + title[1:]), escape(help_[0].upper() + help_[1:]))]
    return "\n".join(out)


def main():
    commands, options = table(sys.argv[1])
    with open(sys.argv[2]) as f:
        text = f.read()
    lists = {
        "SYNOPSIS": synopsis(commands),
        "COMMANDS": "\n".join(".TP\n.B %s\n%s" % (c["name"], prose(c["manual"])) for c in commands),
        "OPTIONS": option_list(commands, options),
        "VERSION": sys.argv[3],
        "RULES": rules(sys.argv[4]) if len(sys.argv) > 4 else "",
    }
    sys.stdout.write(re.sub(r"@([A-Z]+)@", lambda m: lists[m.group(1)], text))


if __name__ == "__main__":
    main()
