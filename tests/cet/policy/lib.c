/* SPDX-License-Identifier: MIT */
int in_library(int x)
{
	return x + 1;
}
