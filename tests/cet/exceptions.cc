/* SPDX-License-Identifier: MIT */
/* modes: check tiny step */
/* variant: dynamic:dynamic */
/* variant: static:static */
/* C++ exceptions through many frames, rethrown, out of threads' functions and of callbacks of C. */
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include "check.h"

static int __attribute__((noinline)) thrower(int n)
{
	std::string keep(static_cast<size_t>(n), 'x');

	if (!n)
		throw std::runtime_error("end");
	return thrower(n - 1) + static_cast<int>(keep.size());
}

static int __attribute__((noinline)) rethrower(int n)
{
	try {
		return thrower(n);
	} catch (const std::exception &) {
		throw;
	}
}

static int caught(int n)
{
	try {
		return rethrower(n);
	} catch (const std::runtime_error &e) {
		return e.what() == std::string("end") ? 1000 + n : 0;
	}
}

static int compare(const void *a, const void *b)
{
	if (*static_cast<const int *>(a) == 7)
		throw 7;
	return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}

int main()
{
	int numbers[] = { 3, 7, 5, 1 }, got = 0;
	std::vector<std::thread> threads;

	for (int i = 0; i < 300; i++)
		CHECK_EQ(caught(i), 1000 + i);
	try {
		qsort(numbers, 4, sizeof(int), compare);
	} catch (int n) {
		got = n;
	}
	CHECK_EQ(got, 7);
	for (int t = 0; t < 4; t++)
		threads.emplace_back([] {
			for (int i = 0; i < 100; i++)
				CHECK_EQ(caught(i), 1000 + i);
		});
	for (auto &t : threads)
		t.join();
	return check_done();
}
