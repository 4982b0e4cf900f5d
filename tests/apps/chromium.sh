# SPDX-License-Identifier: MIT
# large: chromium
# needs: chromium
# timeout: 120
# may: * chromium *
# may: * (generated) -
# may: unwind libc.so.6 _dl_catch_exception
# Chromium without a window renders a page with a script, in its several processes; then, where it can have its sandbox of
# namespaces and seccomp filters, with that.
set -eu
cat >page.html <<'END'
<html><head><style>p { color: red; width: 50% }</style></head><body><canvas id=c></canvas><script>
let s = 0, m = new Map();
for (let i = 0; i < 300000; i++) { s += i % 7; m.set(i % 100, s); }
const g = document.getElementById('c').getContext('2d');
g.fillRect(1, 2, 30, 40);
document.title = s;
document.write('<p>' + s + ' ' + m.get(42) + ' ' + g.getImageData(5, 5, 1, 1).data + '</p>');
</script></body></html>
END
chromium --headless --no-sandbox --disable-gpu --user-data-dir=$PWD/data --dump-dom file://$PWD/page.html 2>/dev/null
chromium --headless --no-sandbox --disable-gpu --user-data-dir=$PWD/data --screenshot=$PWD/shot.png file://$PWD/page.html 2>/dev/null
file shot.png
[ "$(id -u)" = 0 ] || exit 0
d=$(mktemp -d /tmp/gnomon-chromium.XXXXXX)
trap 'rm -rf "$d"' EXIT
cp page.html "$d" && chown -R nobody "$d"
HOME=$d runuser -u nobody -- chromium --headless --disable-gpu --user-data-dir="$d/data" --dump-dom "file://$d/page.html" 2>/dev/null ||
	echo "no sandbox"
