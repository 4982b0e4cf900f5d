#!/bin/sh
# SPDX-License-Identifier: MIT
# source.sh PACKAGE: unpacks the source of a Debian package, of the release that runs here, into a folder of this one and prints its
# name; status 77 and a reason where it cannot be fetched. MIRROR=http://deb.debian.org/debian.
set -eu
mirror=${MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ -e $keyring ] && command -v dpkg-source >/dev/null || { echo "not a Debian system with dpkg-dev"; exit 77; }
mkdir -p apt/lists/partial apt/cache/archives/partial
echo "deb-src [signed-by=$keyring] $mirror $release main" >apt/sources.list
cat >apt/apt.conf <<END
Dir::Etc::sourcelist "$PWD/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$PWD/apt/lists";
Dir::Cache "$PWD/apt/cache";
APT::Sandbox::User "";
END
export APT_CONFIG=$PWD/apt/apt.conf
if ! { apt-get -q update && apt-get -q source "$1"; } >apt/log 2>&1; then
	echo "the source package $1 cannot be fetched: $(grep '^E:' apt/log | head -n 1)"
	exit 77
fi
for d in "$1"-*/; do [ -d "$d" ] && echo "$PWD/${d%/}"; done
