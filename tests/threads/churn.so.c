/* SPDX-License-Identifier: MIT */
static int fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int churn_value(int n)
{
	return fib(n) + 1;
}
