# SPDX-License-Identifier: MIT
use strict;
use warnings;
no warnings 'recursion';

sub fib { my $n = shift; return $n < 2 ? $n : fib($n - 1) + fib($n - 2) }
sub ack {
	my ($m, $n) = @_;
	return $n + 1 if !$m;
	return $n ? ack($m - 1, ack($m, $n - 1)) : ack($m - 1, 1);
}
for (1 .. shift) {
	print fib(21), " ", ack(2, 90), "\n";
}
