# SPDX-License-Identifier: MIT
# large: libreoffice-calc-nogui libreoffice-writer-nogui
# needs: soffice
# timeout: 240
# may: unwind * *
# LibreOffice without a window: a table is calculated and converted, a text becomes a page.
set -eu
export HOME=$PWD/home
mkdir home
{ echo 'a,b,c'; for i in $(seq 200); do echo "$i,$((i * i)),=A$((i + 1))+B$((i + 1))"; done; } >t.csv
soffice --headless "-env:UserInstallation=file://$PWD/user" --convert-to ods t.csv >/dev/null 2>&1
soffice --headless "-env:UserInstallation=file://$PWD/user" --convert-to csv --outdir out t.ods >/dev/null 2>&1
cksum <out/t.csv
printf 'A heading\n\nSome text that is long enough for two lines, or so it is hoped by the one who wrote it.\n' >t.txt
soffice --headless "-env:UserInstallation=file://$PWD/user" --convert-to pdf t.txt >/dev/null 2>&1
head -c 5 t.pdf
