# SPDX-License-Identifier: MIT
# large: libpython3.11-testsuite (Debian 13: libpython3.13-testsuite)
# long: an hour
# needs: python3
# timeout: 2400
# may: unwind l*.so* *
# may: unwind python3* *
# may: unwind bash *
# Python's own tests, all 430 modules but for those of suites/python.out: what became of each case.
set -eu
/usr/bin/python3 -c 'import test.test_signal' 2>/dev/null || { echo "Python's tests are not installed"; exit 77; }
/usr/bin/python3 "$TESTS/apps/suites/python.py"
