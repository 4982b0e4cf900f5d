/* SPDX-License-Identifier: MIT */
int counter = 7;

static void __attribute__((constructor)) start(void)
{
	counter = 100;
}

int apply(int (*f)(int), int x)
{
	return f(x) + ++counter;
}
