// How the page looks: one column to read, light or dark as the reader's system is, narrow enough for a phone.
#pragma once

namespace fovea::claims {

constexpr const char* page_style = R"css(
:root { --paper: #ffffff; --ink: #1c1e22; --mute: #5c636d; --line: #e2e4e8; --soft: #f5f6f8; --link: #0060a8;
  --holds: #00734f; --limits: #8f5a00; --fails: #b3401a; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171b; --ink: #e4e6ea; --mute: #9aa1ac; --line: #2e323a; --soft: #1d2026; --link: #76b9f0;
    --holds: #3fc493; --limits: #e9b44c; --fails: #ff8d63; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 6rem; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.6 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, "DejaVu Serif", serif; }
h1, h2, h3, nav, .verdict, .number, figcaption, summary, table, .counts {
  font-family: Helvetica, Arial, "Liberation Sans", system-ui, sans-serif; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 .6rem; letter-spacing: -.02em; }
main h2 { font-size: 1.45rem; line-height: 1.25; margin: 4rem 0 1rem; padding-top: 1rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.15rem; line-height: 1.35; margin: 0 0 .5rem; }
.lead { font-size: 1.15rem; max-width: 44rem; margin: 0 0 .5rem; }
.counts { color: var(--mute); font-size: .92rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
nav { columns: 19rem; column-gap: 2.5rem; margin: 2rem 0; padding: 1.25rem; background: var(--soft); border-radius: .5rem;
  font-size: .9rem; line-height: 1.4; }
nav h2 { font-size: .92rem; margin: 1rem 0 .35rem; break-after: avoid; }
nav h2:first-child { margin-top: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { padding: .12rem 0 .12rem 1.5rem; text-indent: -1.5rem; break-inside: avoid; }
.id { color: var(--mute); font-variant-numeric: tabular-nums; }
.mark { display: inline-block; width: 1.25rem; text-indent: 0; font-weight: 700; }
.holds { --verdict: var(--holds); } .limits { --verdict: var(--limits); }
.fails, .error { --verdict: var(--fails); }
.mark { color: var(--verdict); }
article { margin: 2.5rem 0 3.25rem; scroll-margin-top: 1rem; }
.statement, .remark { max-width: 44rem; margin: .5rem 0; }
.verdict { margin: .75rem 0 .25rem; }
.badge { display: inline-block; padding: .12rem .6rem; border: 1.5px solid var(--verdict); border-radius: 1rem;
  color: var(--verdict); font-size: .85rem; font-weight: 700; }
.time { color: var(--mute); font-size: .85rem; margin-left: .4rem; }
.number { margin: .35rem 0; font-size: 1.05rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.broken { color: var(--fails); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 1.25rem; align-items: flex-start; }
figure { margin: .9rem 0 0; max-width: 100%; flex: 0 1 min(var(--width, 100%), 29rem); }
figure.wide, figure:only-child { flex-basis: auto; }
figure .scroll > svg { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
figcaption { color: var(--mute); font-size: .88rem; line-height: 1.45; max-width: 36rem; margin-top: .4rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem 1.1rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--mute); font-weight: 600; }
details { margin-top: 1rem; }
.helpers { font-family: Helvetica, Arial, "Liberation Sans", system-ui, sans-serif; color: var(--mute); font-size: .88rem; margin: 1rem 0 0; }
sub, sup { font-size: .72em; line-height: 0; }
p code { font-size: .88em; }
summary { cursor: pointer; color: var(--mute); font-size: .88rem; overflow-wrap: anywhere; }
pre { margin: .6rem 0 0; padding: .9rem 1rem; overflow-x: auto; background: var(--soft); border-radius: .4rem;
  font: .8rem/1.5 "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre i { font-style: normal; }
pre .c { color: var(--mute); } pre .s { color: var(--holds); } pre .k { color: var(--link); } pre .n { color: var(--limits); }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem 4rem; font-size: 1rem; }
  h1 { font-size: 1.7rem; }
  figure .scroll > svg { min-width: calc(.8 * var(--width)); }
  th, td { min-width: 5.5rem; }
}
@media print { nav, details { display: none; } article { break-inside: avoid; } }
)css";

}  // namespace fovea::claims
