# SPDX-License-Identifier: MIT
# large: texlive-latex-base ghostscript graphviz
# needs: pdflatex gs dot
# timeout: 180
# may: unwind * *
# A document set and drawn; a graph.
set -eu
cat >t.tex <<'END'
\documentclass{article}\begin{document}Hello $\int_0^1 x\,dx$ \newcount\n
\loop\ifnum\n<2000 \advance\n by 1 word \the\n\ \repeat\end{document}
END
export SOURCE_DATE_EPOCH=1000000000
pdflatex -interaction=batchmode t.tex >/dev/null
gs -q -dNOPAUSE -dBATCH -sDEVICE=png16m -r50 -sOutputFile=p%d.png t.pdf
cksum p*.png
echo 'digraph { a -> b -> c; a -> c; c -> a; subgraph cluster_x { d -> e } b -> d }' | dot -Tplain
