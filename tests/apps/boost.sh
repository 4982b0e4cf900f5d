# SPDX-License-Identifier: MIT
# large: libboost-context-dev
# needs: g++ /usr/include/boost/context/fiber.hpp
# setup: yes
# timeout: 60
# modes: tiny flush=300
# expect: stack-switch libboost_context.so.* jump_fcontext
# expect: stack-switch libboost_context.so.* ontop_fcontext
# Boost.Context: fibers, exceptions inside and out of them, callcc, threads that each have fibers, one unwound by its destructor.
set -eu
if [ "${1-}" = setup ]; then
	cat >f.cc <<-'END'
	#include <boost/context/continuation.hpp>
	#include <boost/context/fiber.hpp>
	#include <cstdio>
	#include <stdexcept>
	#include <thread>
	#include <vector>
	namespace ctx = boost::context;
	struct Loud {
		~Loud() { std::puts("destroyed"); }
	};
	static int sum(int n)
	{
		int at = 0, total = 0;
		ctx::fiber f{[&](ctx::fiber &&back) {
			for (at = 0; at < n; at++)
				back = std::move(back).resume();
			return std::move(back);
		}};
		while ((f = std::move(f).resume()))
			total += at;
		return total;
	}
	int main()
	{
		std::printf("%d\n", sum(1000));
		ctx::fiber f{[](ctx::fiber &&back) {
			try {
				back = std::move(back).resume();
				throw std::runtime_error("in a fiber");
			} catch (const std::runtime_error &e) {
				std::puts(e.what());
			}
			return std::move(back);
		}};
		f = std::move(f).resume();
		f = std::move(f).resume();
		{
			ctx::fiber left{[](ctx::fiber &&back) {
				Loud l;
				back = std::move(back).resume();
				return std::move(back);
			}};
			left = std::move(left).resume();
		}
		ctx::fiber top{[](ctx::fiber &&back) {
			try {
				back = std::move(back).resume();
			} catch (const std::runtime_error &e) {
				std::printf("thrown in: %s\n", e.what());
			}
			return std::move(back);
		}};
		top = std::move(top).resume();
		top = std::move(top).resume_with([](ctx::fiber &&back) -> ctx::fiber { throw std::runtime_error("on top"); });
		int data = 0;
		ctx::continuation c = ctx::callcc([&](ctx::continuation &&c) {
			data = 7;
			return std::move(c);
		});
		std::printf("%d\n", data);
		std::vector<std::thread> ts;
		std::vector<int> got(4);
		for (int i = 0; i < 4; i++)
			ts.emplace_back([i, &got] { got[i] = sum(100 * (i + 1)); });
		for (auto &t : ts)
			t.join();
		for (int n : got)
			std::printf("%d\n", n);
		return 5;
	}
	END
	g++ -O1 f.cc -o f -lboost_context -pthread
	exit 0
fi
"$SETUP/f" || echo "status $?"
