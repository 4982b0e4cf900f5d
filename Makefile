# SPDX-License-Identifier: MIT
# Names the few commands of the README; Meson does the work.
B ?= build
NINJA = ninja -C $(B) $(if $(V),-v) $(if $(JOBS),-j$(JOBS))
TESTJOBS = $(if $(JOBS),--jobs $(JOBS))
MESONFLAGS ?=
DESTDIR ?=
prefix ?=

all: configure
	@$(NINJA)

# (Re)configures when there is no build folder yet, when a source file came or went, or the prefix changed.
configure:
	@tools/deps --quiet build
	@if [ ! -f $(B)/build.ninja ]; then \
		meson setup $(if $(prefix),--prefix=$(prefix)) $(MESONFLAGS) $(B) >$(B).log 2>&1 || \
			{ cat $(B).log; rm -f $(B).log; exit 1; }; rm -f $(B).log; \
	elif [ -n "$(prefix)" ]; then \
		meson configure --prefix=$(prefix) $(B); \
	fi
	@{ tools/list_sources engine; tools/list_sources cli; tools/list_sources guard; tools/list_sources audit; tools/list_sources tests/unit; tools/list_sources man; \
		ls engine/kern/syscalls.tbl 2>/dev/null || :; } >$(B)/sources.new
	@if ! cmp -s $(B)/sources.new $(B)/sources.list; then \
		if [ -f $(B)/sources.list ]; then meson setup --reconfigure $(B) >/dev/null; fi; \
		mv $(B)/sources.new $(B)/sources.list; \
	fi

demo: all
	@tools/demo $(B)

check: all
	@tools/deps --quiet check
	@tests/run --build $(B) $(TESTJOBS) $(CHECKFLAGS)

check-apps: all
	@tools/deps --quiet apps
	@tests/run --build $(B) $(TESTJOBS) --only apps --large $(CHECKFLAGS)

check-apps-long: all
	@tools/deps --quiet more
	@tests/run --build $(B) $(TESTJOBS) --only apps --large --long $(CHECKFLAGS)

# the audit's tests with what the usual ones skip: a cluster of one node, a browser, packages of rpmbuild
check-audit: all
	@tools/deps --quiet audit
	@tests/run --build $(B) $(TESTJOBS) --only audit $(CHECKFLAGS)

# what is an ordinary program (the command, the audit, the unit tests) with the sanitizers of the compiler
check-asan:
	@$(MAKE) --no-print-directory B=build-asan MESONFLAGS='-Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fno-sanitize-recover=all' all
	@tools/deps --quiet check
	@tests/run --build build-asan $(TESTJOBS) --sanitize $(CHECKFLAGS) cli/cli unit badinput/files badinput/native badinput/output \
		audit/archives audit/badinput audit/closure audit/db audit/marks audit/output audit/rules

# the same for memory that was never written: reading reports, damaged ones too; the audit
check-valgrind: all
	@tools/deps --quiet lint
	@VALGRIND='valgrind -q --error-exitcode=98' tests/run --build $(B) $(TESTJOBS) --timeout-factor 4 $(CHECKFLAGS) cli/cli audit/db audit/output

# The storms of tests/robust with 100 000 kills each: about half an hour
check-robust-long: all
	@/usr/bin/env python3 tests/robust/test_robust.py --build $(B) --kills $(or $(KILLS),100000)

# the kernel's own tests of robust futexes and shadow stacks, from Debian's source package of Linux 7.2 or later, which is fetched (160 MB)
check-upstream: all
	@/usr/bin/env python3 tests/robust/upstream.py --build $(B) $(if $(SOURCE),--source $(SOURCE))
	@/usr/bin/env python3 tests/shstk/upstream.py --build $(B) $(if $(SOURCE),--source $(SOURCE))

fuzz: all
	@tools/deps --quiet check
	@tests/run --build $(B) $(TESTJOBS) --only fuzz $(CHECKFLAGS)

# the decoder against Zydis on all code of this machine: docs/decoder.md
check-decoder: all
	@tools/deps --quiet check
	@tests/run --build $(B) $(TESTJOBS) --only campaign $(CHECKFLAGS)

# shadow stacks under `run`; the C library that is built for them comes from CET_GLIBC or is built (tools/cet_glibc)
check-cet: all
	@tools/deps --quiet cet
	@tools/cet_glibc --build >/dev/null
	@tests/run --build $(B) $(TESTJOBS) --only shstk --only cet $(CHECKFLAGS)

# with that C library's own tests, and real programs in a root that is marked in place, which needs root: an hour, the first time
check-cet-long: check-cet
	@tests/cet/upstream.py --build $(B)
	@B=$(B) tests/cet/programs.py

# what Linux 7.2 says on a CPU with shadow stacks; ORACLE is the folder with the emulator and its recordings, RECORD=1 asks it anew
oracle: all
	@[ -z '$(RECORD)' ] || tools/oracle record '$(ORACLE)' --build $(B)
	@tools/oracle compare '$(ORACLE)' --build $(B)

bench: all
	@tools/deps --quiet bench
	@bench/run --build $(B) $(BENCHFLAGS)

lint: all
	@tools/check_seams
	@tools/lint --build $(B)

analyse: all
	@tools/deps --quiet lint
	@tools/analyse $(if $(JOBS),--jobs $(JOBS))

install: all
	@to='$(DESTDIR)'; case $$to in '' | /*) ;; *) to='$(CURDIR)'/$$to ;; esac; \
	DESTDIR=$$to meson install --no-rebuild -C $(B)

clean:
	rm -rf $(B)

.PHONY: all configure demo check check-apps check-apps-long check-audit check-cet check-cet-long check-asan check-valgrind check-robust-long check-upstream check-decoder fuzz oracle bench lint analyse install clean
