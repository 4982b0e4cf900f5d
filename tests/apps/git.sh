# SPDX-License-Identifier: MIT
# needs: git
# setup: yes
# timeout: 300
# modes: tiny
# init, commit, log, branches, merge, rebase, gc, clone, bisect over 3000 files.
set -eu
if [ "${1-}" = setup ]; then
	i=0
	while [ $i -lt 3000 ]; do
		mkdir -p files/d$((i % 17))
		seq $i $((i + 40)) >files/d$((i % 17))/f$i
		i=$((i + 1))
	done
	exit 0
fi
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
git config --global user.name Name
git config --global user.email name@example.org
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git init -q repo
cd repo
cp -r "$SETUP"/files/* .
git add . && git commit -qm first
for i in 1 2 3 4 5 6; do
	seq $i 50 >d1/f1
	echo $i >>d2/f2
	git commit -qam "change $i"
done
git log --oneline --stat | tail -5
git log -p --format=%s -- d2/f2 | md5sum
git checkout -qb side HEAD~3
echo side >side && git add side && git commit -qm side
git checkout -q main && git merge -q side -m merged
git log --graph --format=%s%d | head -12
git checkout -qb re HEAD~4 && echo re >re && git add re && git commit -qm re && git rebase -q main 2>&1 | cat
git diff --stat main~5 main | tail -2
git grep -c 33 HEAD -- d3 | head -3
git blame -s d2/f2 | cut -c1-60 | md5sum
git rev-parse main
git gc -q && git fsck --no-progress 2>&1 | sort | head -3
git count-objects -v | grep -E 'packs|garbage|in-pack'
cd .. && git clone -q repo copy && cd copy && git status --short | wc -l
git bisect start -q HEAD HEAD~5 >/dev/null 2>&1 || true
git bisect run sh -c 'test $(wc -l <d2/f2) -lt 44' 2>/dev/null | grep -c 'first bad' || true
git bisect reset -q 2>/dev/null || true
git archive HEAD | tar t | wc -l
git stash list | wc -l
git show nowhere 2>&1 || echo "status $?"
