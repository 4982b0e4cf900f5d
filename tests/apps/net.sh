# SPDX-License-Identifier: MIT
# large: rsync curl openssh-client openssh-server
# needs: rsync curl ssh-keygen python3
# timeout: 120
# modes: tiny
# may: unwind l*.so* _dl_catch_exception
# rsync, curl from a server on the loopback, ssh-keygen, ssh to a server of one's own where there is one.
set -eu
mkdir a && seq 1 5000 >a/f && cp a/f a/g && ln a/f a/h && ln -s f a/l
rsync -aH a/ b/ && diff -r a b && echo "rsync"
seq 1 4999 >a/f && rsync -a --stats a/ b/ | grep -E 'regular files transferred|Literal'
rsync -a --delete --dry-run -i a/ c/ | sort | head -4
# the port is the server's choice
/usr/bin/python3 -u - a >server.out 2>/dev/null <<'END' &
import functools, http.server, sys
s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1]))
print(s.server_port, flush=True)
s.serve_forever()
END
server=$!
while [ ! -s server.out ]; do sleep 0.1; done
port=$(cat server.out)
curl -sS -o out "http://127.0.0.1:$port/f" && cmp out a/f && echo "curl"
curl -sS -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/missing"
curl -sS -r 0-9 "http://127.0.0.1:$port/g" -o /dev/null -Z --no-progress-meter "http://127.0.0.1:$port/f" -o out2 && cmp out2 a/f
{ kill $server && wait $server; } 2>/dev/null || true
curl -s http://127.0.0.1:1/ || echo "status $?"
curl -s file://$PWD/a/f | cksum
ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -l -f key | wc -w
ssh-keygen -q -t rsa -b 2048 -N secret -f rsa && ssh-keygen -y -P secret -f rsa | wc -w
ssh-keygen -q -t ecdsa -N '' -f host
ssh -V 2>&1 | cut -c1-7
echo text | ssh-keygen -q -Y sign -f key -n file >sig 2>/dev/null && head -1 sig
