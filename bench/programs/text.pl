# SPDX-License-Identifier: MIT
# Text, hashes, regular expressions over the generated log.
use strict;
use warnings;

my $rounds = shift;
open my $f, '<', shift or die;
my @lines = <$f>;
close $f;
for my $round (1 .. $rounds) {
	my (%by, %words, $n);
	for (@lines) {
		next unless /^(\S+) (\S+) \[([^\]]+)\] "(\w+) ([^"]*)" (\d+) (\d+)/;
		$by{$1}{$6} += $7;
		$n++;
		(my $p = $5) =~ s{/(\w)(\w*)}{/\U$1\E$2}g;
		$words{$_}++ for split m{/}, $p;
	}
	my @top = sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words;
	print join(' ', $n, scalar(keys %by), map("$_=$words{$_}", @top[0 .. 5])), "\n";
	print join(',', map { my $h = $_; join ':', map { $by{$h}{$_} } sort keys %{ $by{$h} } } (sort keys %by)[0 .. 3]), "\n";
}
