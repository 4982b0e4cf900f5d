# SPDX-License-Identifier: MIT
# large: libpython3.11-testsuite (Debian 13: libpython3.13-testsuite), by hand
# long: 20 minutes
# needs: python3
# timeout: 900
# may: unwind l*.so* *
# may: unwind python3* *
# Python's own tests of signals, threads, processes, descriptors, memory, foreign functions, coroutines, encryption.
set -eu
/usr/bin/python3 -c 'import test.test_signal' 2>/dev/null || { echo "Python's tests are not installed"; exit 77; }
for t in signal threading thread threadsignals subprocess os posix fork1 wait3 wait4 waitpid eintr faulthandler mmap ctypes \
	select selectors fcntl pty resource largefile asyncio multiprocessing_fork concurrent_futures exceptions generators \
	gc capi tracemalloc cmd_line io sqlite3 ssl hashlib zlib lzma math float json re sys pdb; do
	if /usr/bin/python3 -m test test_$t >log 2>&1 </dev/null; then echo "$t ok"; else echo "$t failed"; fi
done
