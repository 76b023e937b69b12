/** The look of an exported report: light or dark as the reader's system is, and on paper. */
export const STYLE = `:root{color-scheme:light dark;--back:#fff;--fore:#1f1f1f;--muted:#616161;--line:#d8d8d8;--blue:#1a6fc4;--orange:#b45309;--green:#2f7d32;--red:#c62828;--yellow:#a37200}
@media (prefers-color-scheme:dark){:root{--back:#1f1f1f;--fore:#e4e4e4;--muted:#a5a5a5;--line:#3c3c3c;--blue:#4fa3f7;--orange:#e0904a;--green:#6cc070;--red:#f27b7b;--yellow:#e2b93d}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--fore);font:14px/1.45 system-ui,sans-serif}
main{max-width:980px;margin:0 auto;padding:28px 20px 48px}
h1{max-width:74ch;margin:2px 0 10px;font-size:1.4em;font-weight:500;line-height:1.35}
h2{margin:30px 0 6px;font-size:1.05em}
h3{margin:18px 0 2px;font-size:1em}
p{margin:4px 0}
.muted{color:var(--muted)}
code{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:anywhere}
table{display:block;max-width:100%;margin:8px 0;overflow-x:auto;border-collapse:collapse}
th,td{padding:4px 16px 4px 0;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th{font-weight:inherit}
th:first-child{text-align:left}
thead th{color:var(--muted)}
tbody tr{border-top:1px solid var(--line)}
.used{font-weight:600}
.used th:first-child{color:var(--green)}
ul{margin:4px 0;padding-left:20px}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:1px 16px;margin:4px 0}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
svg{max-width:100%;height:auto;vertical-align:middle}
svg text{font-size:11px;fill:var(--muted);font-variant-numeric:tabular-nums}
.end{text-anchor:end}.middle{text-anchor:middle}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px}
.key{display:inline-block;width:14px;height:7px}
.key.fit-loss,.from-newest{background:var(--blue);fill:var(--blue)}
.key.stop-loss,.from-average{background:var(--orange);fill:var(--orange)}
path.grid,path.zero,path.reference{stroke:var(--line);fill:none}
path.zero{stroke:var(--muted)}
path.reference{stroke:var(--fore);stroke-dasharray:4 4}
path.fit-loss{stroke:var(--blue);fill:none;stroke-width:1.25}
path.stop-loss{stroke:var(--orange);fill:none;stroke-width:1.75}
circle.stop-loss{fill:var(--orange)}
.bar{fill:var(--blue)}.bar.negative{fill:var(--red)}
.whisker{stroke:var(--fore);fill:none}
.point{fill:var(--blue)}.used .point{fill:var(--green)}
.training{fill:none;stroke:var(--blue);stroke-opacity:.5}
.checkpoint{fill:var(--blue);stroke:var(--blue)}
.far{stroke:var(--red);stroke-width:2}
.mix{fill:var(--orange);stroke:var(--back)}
.mix-twa,.mix-search,.mix-manual{fill:var(--yellow)}
.mix.used{fill:var(--green)}
.mix-uniform,.mix-uniform.used{fill:none;stroke:var(--fore);stroke-width:2.5}
.mix-uniform.used{stroke:var(--green)}
.scale-bar{fill:none;stroke:var(--muted)}
.heat{fill:var(--back);shape-rendering:crispEdges}
.heat-p1{fill:color-mix(in srgb,var(--blue) 12.5%,var(--back))}.heat-p2{fill:color-mix(in srgb,var(--blue) 25%,var(--back))}.heat-p3{fill:color-mix(in srgb,var(--blue) 37.5%,var(--back))}.heat-p4{fill:color-mix(in srgb,var(--blue) 50%,var(--back))}.heat-p5{fill:color-mix(in srgb,var(--blue) 62.5%,var(--back))}.heat-p6{fill:color-mix(in srgb,var(--blue) 75%,var(--back))}.heat-p7{fill:color-mix(in srgb,var(--blue) 87.5%,var(--back))}.heat-p8{fill:color-mix(in srgb,var(--blue) 100%,var(--back))}.heat-n1{fill:color-mix(in srgb,var(--red) 12.5%,var(--back))}.heat-n2{fill:color-mix(in srgb,var(--red) 25%,var(--back))}.heat-n3{fill:color-mix(in srgb,var(--red) 37.5%,var(--back))}.heat-n4{fill:color-mix(in srgb,var(--red) 50%,var(--back))}.heat-n5{fill:color-mix(in srgb,var(--red) 62.5%,var(--back))}.heat-n6{fill:color-mix(in srgb,var(--red) 75%,var(--back))}.heat-n7{fill:color-mix(in srgb,var(--red) 87.5%,var(--back))}.heat-n8{fill:color-mix(in srgb,var(--red) 100%,var(--back))}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}svg{break-inside:avoid}}
`;
