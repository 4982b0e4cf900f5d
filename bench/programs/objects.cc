// SPDX-License-Identifier: MIT
// Virtual calls over mixed classes, std::function, visitors, and exceptions through several frames.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct rng {
	std::uint64_t s = 0x9e3779b97f4a7c15u;
	std::uint32_t operator()()
	{
		s = s * 6364136223846793005u + 1442695040888963407u;
		return static_cast<std::uint32_t>(s >> 33);
	}
};

struct node {
	virtual ~node() = default;
	virtual std::int64_t eval(std::int64_t x) const = 0;
	virtual int depth() const { return 1; }
};
using ptr = std::unique_ptr<node>;

struct constant final : node {
	std::int64_t v;
	explicit constant(std::int64_t v_) : v(v_) {}
	std::int64_t eval(std::int64_t) const override { return v; }
};
struct variable final : node {
	std::int64_t eval(std::int64_t x) const override { return x; }
};
struct negate final : node {
	ptr a;
	explicit negate(ptr a_) : a(std::move(a_)) {}
	std::int64_t eval(std::int64_t x) const override { return -a->eval(x); }
	int depth() const override { return 1 + a->depth(); }
};
template <int OP> struct binary final : node {
	ptr a, b;
	binary(ptr a_, ptr b_) : a(std::move(a_)), b(std::move(b_)) {}
	std::int64_t eval(std::int64_t x) const override
	{
		auto l = static_cast<std::uint64_t>(a->eval(x)), r = static_cast<std::uint64_t>(b->eval(x));
		switch (OP) {
		case 0: return static_cast<std::int64_t>(l + r);
		case 1: return static_cast<std::int64_t>(l * r);
		case 2: return static_cast<std::int64_t>(l ^ (r >> 3));
		default:
			if (r % 1021 == 0)
				throw std::range_error("divisor");
			return static_cast<std::int64_t>(l / (r | 1));
		}
	}
	int depth() const override { return 1 + std::max(a->depth(), b->depth()); }
};

ptr build(rng &r, int depth)
{
	if (depth == 0)
		return r() & 1 ? ptr(new variable) : ptr(new constant(r() % 1000));
	switch (r() % 6) {
	case 0: return ptr(new negate(build(r, depth - 1)));
	case 1: return ptr(new binary<1>(build(r, depth - 1), build(r, depth - 1)));
	case 2: return ptr(new binary<2>(build(r, depth - 1), build(r, depth - 1)));
	case 3: return ptr(new binary<3>(build(r, depth - 1), build(r, depth - 1)));
	default: return ptr(new binary<0>(build(r, depth - 1), build(r, depth - 1)));
	}
}

struct guard {
	std::uint64_t &n;
	explicit guard(std::uint64_t &n_) : n(n_) {}
	~guard() { ++n; }
};

__attribute__((noinline)) int deep(int n, std::uint64_t &unwound)
{
	guard g(unwound);
	if (n == 0)
		throw std::runtime_error("bottom");
	return deep(n - 1, unwound) + 1;
}

} // namespace

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
	rng r;
	std::vector<ptr> trees;
	for (int i = 0; i < 40; i++)
		trees.push_back(build(r, 9));

	std::uint64_t sum = 0, thrown = 0, unwound = 0;
	std::vector<std::function<std::uint64_t(std::uint64_t)>> steps;
	for (unsigned i = 0; i < 16; i++) {
		if (i & 1)
			steps.emplace_back([i](std::uint64_t x) { return x * 2 + i; });
		else
			steps.emplace_back([i, &r](std::uint64_t x) { return x ^ (r() >> i); });
	}
	for (int n = 0; n < rounds; n++) {
		for (auto &t : trees) {
			try {
				sum = sum * 31 + static_cast<std::uint64_t>(t->eval(n));
			} catch (const std::range_error &) {
				++thrown;
			}
		}
		for (int k = 0; k < 200; k++)
			for (auto &f : steps)
				sum = f(sum);
		for (int k = 0; k < 4; k++) {
			try {
				deep(6, unwound);
			} catch (const std::exception &e) {
				sum += std::string(e.what()).size();
			}
		}
	}
	std::printf("%llu %llu %llu\n", static_cast<unsigned long long>(sum), static_cast<unsigned long long>(thrown),
		    static_cast<unsigned long long>(unwound));
}
