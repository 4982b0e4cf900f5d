# SPDX-License-Identifier: MIT
# setup: yes
# needs: perl python3
# timeout: 120
# modes: tiny flush=1000
# expect: unwind perl perl_run
# expect: unwind perl Perl_call_sv
set -eu
if [ "${1-}" = setup ]; then
	python3 -c "
import sys; sys.path.insert(0, '$TOP/bench'); import gen
gen.make('.', 'log', lambda r: gen.log(r, ${LONG:+10}4000))"
	exit 0
fi
perl "$TOP/bench/programs/recurse.pl" 2
perl "$TOP/bench/programs/text.pl" 1 "$SETUP/log"
cat >prog.pl <<'END'
use strict; use warnings;
use List::Util qw(sum reduce shuffle first); use Data::Dumper; use POSIX qw(floor strftime :sys_wait_h); use Storable qw(dclone);
use Digest::MD5 qw(md5_hex); use Digest::SHA qw(sha256_hex); use MIME::Base64; use Encode; use Time::HiRes; use Socket;
use File::Temp qw(tempfile); use File::Find; use Text::Wrap; use Getopt::Long; use Scalar::Util qw(weaken); use IO::Handle;
$Data::Dumper::Sortkeys = 1; $Data::Dumper::Indent = 1;
my %h = map { $_ => [ $_ x 2, { len => length } ] } qw(alpha beta gamma);
print Dumper(dclone(\%h));
my @sorted = sort { $a->[1] <=> $b->[1] || $a->[0] cmp $b->[0] } map { [ $_, ($_ * 7919) % 101 ] } 1 .. 2000;
print md5_hex(join ',', map { "@$_" } @sorted), "\n", sha256_hex("x" x 100000), "\n";
my $t = "the quick brown fox " x 500; my $n = () = $t =~ /\b(\w)(\w*?)(\w)\b/g; print "$n\n";
(my $u = $t) =~ s/(\w+)/\u$1/g; print substr($u, 0, 40), " ", ($t =~ tr/o/0/), "\n";
print "nested: $1\n" if "((a)(b(c)))" =~ /(\((?:[^()]++|(?1))*\))/;
my $deep; $deep = sub { my $d = shift; $d ? 1 + $deep->($d - 1) : 0 }; { no warnings; print $deep->(3000), "\n"; }
eval { die { code => 42 } }; print "caught $@->{code}\n"; eval { eval { die "inner\n" }; print "got $@"; die "outer\n" }; print "then $@";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { Time::HiRes::ualarm(20000); 1 while 1 }; print $@;
my $pid = fork // die; if (!$pid) { exit 7 } waitpid $pid, 0; print $? >> 8, "\n";
print `echo backtick; exit 3`, $? >> 8, "\n"; open my $p, '-|', 'sh', '-c', 'echo pipe; echo more' or die; print map { ">$_" } <$p>; close $p;
pipe my $r, my $w; if (!fork) { close $r; print $w "child\n" for 1 .. 3; close $w; exit } close $w; print <$r>; wait;
printf "%s %05.2f %s\n", strftime('%Y', gmtime 1700000000), 3.14159, encode_base64(pack 'NnC*', 1, 2, 3 .. 9);
print length(decode('UTF-8', "\xc3\xa4\xe2\x82\xac")), "\n"; { package P; sub new { bless {}, shift } sub AUTOLOAD { our $AUTOLOAD; print "auto $AUTOLOAD\n" } } P->new->foo;
my @l = map { $_ * $_ } grep { $_ & 1 } 1 .. 99; print sum(@l), " ", (reduce { $a ^ $b } @l), "\n"; print wrap('', '  ', $t x 1) =~ tr/\n//, "\n";
END
perl prog.pl
perl -ne 'print if /404/ && $n++ < 3' "$SETUP/log"
perl -pe 's/\d+/#/g' "$SETUP/log" | sort | uniq -c | sort -rn | head -1 | wc -l
perl -e 'kill "TERM", $$; sleep 5' || echo "status $?"
perl -we 'warn "to stderr\n"; exit 9' || echo "status $?"
