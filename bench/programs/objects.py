# SPDX-License-Identifier: MIT
# Objects, dictionaries, json, regular expressions, sorting, string work.
import json
import random
import re
import sys

rnd = random.Random(7)
words = ["".join(rnd.choice("abcdefghijklmnop") for _ in range(rnd.randint(2, 9))) for _ in range(3000)]


class Account:
    def __init__(self, name, amount):
        self.name, self.amount, self.log = name, amount, []

    def move(self, other, amount):
        self.amount -= amount
        other.amount += amount
        self.log.append((other.name, amount))

    @property
    def total(self):
        return self.amount + sum(a for _, a in self.log)


word = re.compile(r"(\w+?)([aeio]+)(\w*)")
for i in range(int(sys.argv[1])):
    accounts = {w: Account(w, len(w) * 100) for w in words}
    names = sorted(accounts, key=lambda w: (len(w), w[::-1]))
    for a, b in zip(names, reversed(names)):
        accounts[a].move(accounts[b], len(a))
    text = json.dumps({a.name: [a.amount, a.log, a.total] for a in accounts.values()})
    back = json.loads(text)
    hits = word.findall(" ".join(names))
    count = {}
    for _, vowels, _ in hits:
        count[vowels] = count.get(vowels, 0) + 1
    print(len(text), sum(v[0] for v in back.values()), len(hits), sorted(count.items())[:3],
          word.sub(r"\3\2\1", " ".join(names[:50]))[:40])
