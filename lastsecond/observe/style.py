"""The page's look: two sets of colours, one layout from a phone to a desk."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f4f5f8; --card: #ffffff; --ink: #161a22; --soft: #5d6675;
  --line: #e2e5eb; --blue: #2459d6; --green: #0b7a53; --red: #c22f27;
  --amber: #9a5b00; --shade: #eef1f6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1016; --card: #161a22; --ink: #e8ebf1; --soft: #97a1b1;
    --line: #2a313d; --blue: #79a8ff; --green: #4cc795; --red: #ff827a;
    --amber: #e7b04e; --shade: #1f2530;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
    sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 40px; }
.masthead { display: flex; flex-wrap: wrap; gap: 4px 16px;
  align-items: baseline; justify-content: space-between; margin-bottom: 16px; }
h1 { font-size: 18px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 15px; margin: 0 0 2px; display: flex; flex-wrap: wrap; gap: 2px 8px;
  align-items: center; }
p { margin: 0; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 18px 20px; min-width: 0; }
.grid { display: grid; gap: 14px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.grid > .whole { grid-column: 1 / -1; }
.group { margin-bottom: 28px; }
.mode { font-size: 11px; font-weight: 700; letter-spacing: .06em; padding: 1px 7px;
  border-radius: 999px; border: 1px solid currentColor; white-space: nowrap; }
.mode.paper { color: var(--blue); }
.mode.live { color: var(--red); }
.mode.simulated { color: var(--soft); border-style: dashed; }
.verdict { border-left: 6px solid var(--tone); }
.verdict .word { font-size: clamp(26px, 5vw, 38px); font-weight: 750; line-height: 1.15;
  letter-spacing: -.02em; color: var(--tone); margin: 6px 0 4px; }
.verdict .reason { font-size: 17px; max-width: 76ch; }
.go { --tone: var(--green); }
.no-go { --tone: var(--red); }
.not-enough-data { --tone: var(--amber); }
.progress { height: 8px; border-radius: 4px; background: var(--shade);
  margin: 14px 0 6px; overflow: hidden; }
.progress > div { height: 100%; background: var(--tone); border-radius: 4px; }
.loud { border: 1px solid var(--red); color: var(--red); border-radius: 8px;
  padding: 8px 12px; margin-top: 12px; font-weight: 600; overflow-wrap: anywhere; }
.tiles { display: grid; gap: 14px; grid-column: 1 / -1;
  grid-template-columns: repeat(6, minmax(0, 1fr)); }
.tile { padding: 14px 16px; }
.tile .figure { font-size: 23px; font-weight: 680; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.gain { color: var(--green); }
.loss { color: var(--red); }
svg { display: block; width: 100%; height: auto; margin-top: 10px; overflow: visible; }
svg text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--soft); }
svg text.strong { fill: var(--ink); font-weight: 650; paint-order: stroke;
  stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
svg .rule { stroke: var(--line); stroke-width: 1; }
svg .zero { stroke: var(--soft); stroke-width: 1; }
svg .mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
svg .after { fill: var(--shade); }
svg .band { fill: var(--blue); opacity: .16; }
svg .curve { fill: none; stroke-width: 2.25; stroke-linejoin: round;
  stroke-linecap: round; }
svg .dot { fill: var(--card); stroke: var(--blue); stroke-width: 2.25; }
svg .bar { fill: var(--blue); }
svg .blue { stroke: var(--blue); }
svg .realistic { stroke: var(--blue); }
svg .optimistic { stroke: var(--green); stroke-width: 1.5; stroke-dasharray: 6 4; }
svg .pessimistic { stroke: var(--amber); stroke-width: 1.5; stroke-dasharray: 2 4; }
svg .actual { stroke: var(--ink); stroke-width: 2.75; }
.narrow, .hint { display: none; }
.hint { color: var(--soft); margin-top: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 8px 0 0; padding: 0;
  list-style: none; font-variant-numeric: tabular-nums; }
.legend svg { display: inline-block; width: 26px; height: 8px; margin: 0 7px 0 0; }
.steps { margin: 12px 0 0; padding: 0; list-style: none; }
.steps li { display: grid; grid-template-columns: 262px 1fr; gap: 2px 14px;
  padding: 5px 0; align-items: center; }
.steps .track { background: var(--shade); border-radius: 5px; height: 22px;
  position: relative; }
.steps .track > div { background: var(--blue); border-radius: 5px; height: 100%;
  min-width: 2px; opacity: .85; }
.steps .name { display: flex; justify-content: space-between; gap: 10px; }
.steps .name b { font-variant-numeric: tabular-nums; }
.steps .drops { grid-column: 2; color: var(--soft); font-size: 12.5px;
  overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 560px; margin: 10px -20px -18px; padding: 0 20px;
  border-top: 1px solid var(--line); }
.scroll.short { max-height: none; border: 0; margin-bottom: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--soft); position: sticky; top: 0;
  background: var(--card); padding: 8px 10px 6px 0; white-space: nowrap; }
td { padding: 5px 10px 5px 0; border-top: 1px solid var(--line); vertical-align: top; }
td.why { overflow-wrap: anywhere; min-width: 12ch; }
.right { text-align: right; white-space: nowrap; }
.nowrap { white-space: nowrap; }
.right + .nowrap { padding-left: 8px; }
h2 + table { margin-top: 10px; }
h2 + table .right { white-space: normal; }
.half .steps li { grid-template-columns: 180px 1fr; }
details > summary { cursor: pointer; color: var(--soft); margin-top: 10px; }
details.group > summary { font-weight: 650; color: var(--ink); margin: 0 0 12px; }
footer { color: var(--soft); font-size: 13.5px; max-width: 86ch; }
footer p { margin-top: 8px; }
@media (max-width: 900px) {
  .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@media (max-width: 720px) {
  main { padding: 14px 10px 28px; }
  .grid { grid-template-columns: minmax(0, 1fr); gap: 10px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .card { padding: 14px; border-radius: 10px; }
  .scroll { margin: 10px -14px -14px; padding: 0 14px; }
  .wide, .desk { display: none; }
  .narrow, .hint { display: block; }
  .steps li { grid-template-columns: 1fr; }
  .steps .drops { grid-column: 1; }
}
"""
