// SPDX-License-Identifier: MIT
struct twice {
	int &n;
	~twice() { n++; }
};
int through2_count;

int through2(int (*f)(int), int x)
{
	twice t{ through2_count };
	return f(x) * 2;
}
