# SPDX-License-Identifier: MIT
# large: firefox-esr
# needs: firefox-esr
# timeout: 240
# may: * (generated) -
# may: unwind * *
# Firefox without a window, in its several processes with their sandboxes, draws a page with a script.
set -eu
export HOME=$PWD/home
mkdir home
cat >page.html <<'END'
<html><body><canvas id=c width=60 height=60></canvas><script>
let s = 0, m = new Map();
for (let i = 0; i < 300000; i++) { s += i % 7; m.set(i % 100, s); }
const g = document.getElementById('c').getContext('2d');
g.fillStyle = 'red'; g.fillRect(1, 2, 30, 40);
document.write('<p>' + s + ' ' + m.get(42) + ' ' + g.getImageData(5, 5, 1, 1).data + '</p>');
</script></body></html>
END
firefox-esr --headless --no-remote --window-size 400,300 --screenshot "$PWD/shot.png" "file://$PWD/page.html" >/dev/null 2>&1
cksum <shot.png
