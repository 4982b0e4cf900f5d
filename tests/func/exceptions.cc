// SPDX-License-Identifier: MIT
// verdict: clean unwinds
// libs: -pthread -lexceptions1 -lexceptions2
// so: exceptions2.so.cc
// so: exceptions1.so.cc
// C++ exceptions within a function, over many frames, through shared libraries, rethrown, from destructors' scopes,
// across threads, with cleanups counted.
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include "check.h"

int through1(int (*f)(int), int x);

static int live;
struct counted {
	counted() { live++; }
	~counted() { live--; }
};

static int __attribute__((noinline)) deep(int n)
{
	counted c;
	if (n == 0)
		throw std::runtime_error("bottom");
	return deep(n - 1) + live;
}

static int thrower(int x)
{
	counted c;
	if (x % 3 == 0)
		throw x;
	if (x % 3 == 1)
		throw std::string("text") + std::to_string(x);
	return x;
}

static int __attribute__((noinline)) rethrow(int n)
{
	try {
		if (n == 0)
			throw std::out_of_range("x");
		return rethrow(n - 1);
	} catch (std::exception &) {
		live++;
		counted c;
		live--;
		throw;
	}
}

static int nothrow_one() noexcept
{
	try {
		throw 5;
	} catch (int x) {
		return x;
	}
}

int main()
{
	int caught = 0;
	for (int i = 0; i < 200; i++) {
		try {
			deep(i % 60);
			CHECK(false);
		} catch (const std::exception &e) {
			CHECK(!std::strcmp(e.what(), "bottom"));
			caught++;
		}
		CHECK_EQ(live, 0);
	}
	CHECK_EQ(caught, 200);
	long sum = 0;
	for (int i = 0; i < 300; i++) {
		try {
			sum += through1(thrower, i);
		} catch (int x) {
			sum += 1000 + x;
		} catch (const std::string &s) {
			sum += static_cast<long>(s.size());
		}
		CHECK_EQ(live, 0);
	}
	std::printf("%ld\n", sum);
	for (int i = 0; i < 30; i++) {
		try {
			rethrow(i);
		} catch (const std::out_of_range &) {
			caught++;
		}
	}
	CHECK_EQ(caught, 230);
	CHECK_EQ(nothrow_one(), 5);
	std::vector<std::thread> t;
	std::vector<int> counts(4);
	for (unsigned k = 0; k < 4; k++)
		t.emplace_back([k, &counts] {
			for (int i = 0; i < 100; i++) {
				try {
					std::vector<int>(3).at(static_cast<unsigned>(i));
				} catch (const std::out_of_range &) {
					counts[k]++;
				}
			}
		});
	for (auto &x : t)
		x.join();
	for (int c : counts)
		CHECK_EQ(c, 97);
	std::exception_ptr p;
	try {
		throw 17;
	} catch (...) {
		p = std::current_exception();
	}
	try {
		std::rethrow_exception(p);
	} catch (int x) {
		CHECK_EQ(x, 17);
	}
	return check_done();
}
