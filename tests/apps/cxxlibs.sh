# SPDX-License-Identifier: MIT
# setup: yes
# needs: g++
# timeout: 120
# modes: tiny flush=300
# A C++ program whose exceptions cross three shared libraries: thrown in one, cleaned up in all, caught, rethrown,
# translated to another type, in a thread, through a callback, from a library that is loaded late.
set -eu
if [ "${1-}" = setup ]; then
	cat >lib.h <<-'END'
	#include <atomic>
	#include <functional>
	#include <stdexcept>
	#include <string>
	struct Error : std::runtime_error { int depth; Error(const std::string &s, int d) : std::runtime_error(s), depth(d) {} };
	extern "C++" int one(int depth, const std::function<int(int)> &f);
	extern "C++" int two(int depth, const std::function<int(int)> &f);
	extern "C++" int three(int depth, const std::function<int(int)> &f);
	struct Count { static std::atomic<int> live; Count() { live++; } Count(const Count &) { live++; } ~Count() { live--; } };
	END
	cat >one.cc <<-'END'
	#include "lib.h"
	std::atomic<int> Count::live;
	int one(int depth, const std::function<int(int)> &f) { Count c; std::string s(depth + 20, 'x'); return two(depth, f) + (int)s.size(); }
	END
	cat >two.cc <<-'END'
	#include "lib.h"
	int two(int depth, const std::function<int(int)> &f)
	{
		Count c;
		try { return three(depth, f); }
		catch (const std::out_of_range &e) { throw Error(std::string("translated: ") + e.what(), depth); }
		catch (Error &e) { e.depth += 100; throw; }
	}
	END
	cat >three.cc <<-'END'
	#include "lib.h"
	int three(int depth, const std::function<int(int)> &f)
	{
		Count c, d[3];
		if (depth > 0) return one(depth - 1, f) + 1;
		return f(depth);
	}
	END
	printf '#include "lib.h"\nextern "C" int late(int n) { Count c; if (n %% 2) throw Error("late", n); return n; }\n' >late.cc
	cat >main.cc <<-'END'
	#include "lib.h"
	#include <cstdio>
	#include <dlfcn.h>
	#include <exception>
	#include <thread>
	#include <vector>
	static void attempt(const char *name, int depth, const std::function<int(int)> &f)
	{
		try { printf("%s: %d\n", name, one(depth, f)); }
		catch (const Error &e) { printf("%s: Error %s %d\n", name, e.what(), e.depth); }
		catch (const std::exception &e) { printf("%s: exception %s\n", name, e.what()); }
		catch (int n) { printf("%s: int %d\n", name, n); }
		if (Count::live) printf("%s: %d left\n", name, (int)Count::live);
	}
	int main(int, char **argv)
	{
		attempt("none", 5, [](int) { return 7; });
		for (int depth = 0; depth < 60; depth += 7) {
			attempt("error", depth, [](int d) -> int { throw Error("thrown", d); });
			attempt("range", depth, [](int) -> int { return std::string("abc").at(7); });
			attempt("int", depth, [](int) -> int { throw 42; });
			attempt("nested", depth, [](int) -> int { try { return one(3, [](int) -> int { throw 1; }); } catch (int n) { return n + 10; } });
		}
		std::vector<std::thread> threads;
		int sums[4] = {};
		for (int t = 0; t < 4; t++)
			threads.emplace_back([t, &sums] {
				for (int i = 0; i < 200; i++)
					try { sums[t] += one(i % 9, [i](int) -> int { if (i % 3) throw Error("t", i); return i; }); }
					catch (const Error &e) { sums[t] += e.depth; }
			});
		for (auto &t : threads) t.join();
		printf("threads %d %d %d %d, %d left\n", sums[0], sums[1], sums[2], sums[3], (int)Count::live);
		std::exception_ptr p;
		try { one(4, [](int) -> int { throw Error("kept", 4); }); } catch (...) { p = std::current_exception(); }
		try { std::rethrow_exception(p); } catch (const Error &e) { printf("kept: %d\n", e.depth); }
		for (int i = 0; i < 10; i++) {
			void *h = dlopen((std::string(argv[1]) + "/liblate.so").c_str(), RTLD_NOW);
			auto late = (int (*)(int))dlsym(h, "late");
			try { printf("late %d\n", late(i)); } catch (const Error &e) { printf("late %s %d\n", e.what(), e.depth); }
			dlclose(h);
		}
		std::set_terminate([] { printf("terminate\n"); fflush(stdout); _Exit(6); });
		[]() noexcept { one(2, [](int) -> int { throw 3; }); }();
	}
	END
	for l in three two one; do
		g++ -g -O2 -fPIC -shared -o lib$l.so $l.cc
	done
	g++ -g -O2 -fPIC -shared -o liblate.so late.cc
	g++ -g -O1 -o prog main.cc -L. -lone -ltwo -lthree -Wl,-rpath,"$PWD" -pthread -ldl
	exit 0
fi
"$SETUP/prog" "$SETUP" || echo "status $?"
