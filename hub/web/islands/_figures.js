// The charts of 统计: what tables beside them say, each from its own script[data-chart]. A bar leads where the name in the table leads.
// The board's bars (console.js) are drawn the same way, so that both can be read in the light and in the dark.
const drawn = [];

/** spec: names, series [{name, data, tone}], lying: bars from left to right, links: where each leads, label: more of how names stand · colour: of a name of theme.css. */
export function options(spec, colour) {
  const text = colour("ink"), cut = spec.lying ? { width: 96, overflow: "truncate" } : { overflow: "truncate" };
  const names = { type: "category", data: spec.names, inverse: spec.lying, axisLabel: { color: text, ...(spec.label ?? cut) } };
  const counts = { type: "value", minInterval: 1, axisLabel: { color: text }, splitLine: { lineStyle: { color: colour("line") } } };
  return {
    aria: { enabled: true, decal: { show: true } },
    animation: false,
    textStyle: { fontFamily: "inherit", fontSize: 13, color: text },
    color: spec.series.map((s) => colour(s.tone)),
    legend: { top: 0, left: 8, itemGap: 20, textStyle: { color: text } },
    grid: { left: 8, right: 24, top: 36, bottom: 8, containLabel: true },
    tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, renderMode: "richText" },
    xAxis: spec.lying ? counts : names,
    yAxis: spec.lying ? names : counts,
    series: spec.series.map((s) => ({ name: s.name, data: s.data, type: "bar", stack: "all", barMaxWidth: 32, cursor: spec.links ? "pointer" : "default" })),
  };
}

/** Draws again when other colours are chosen, on the page or at the computer. */
export function follow(draw) {
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

export function figures(init, colour) {
  const draw = () => drawn.forEach(([chart, spec]) => chart.setOption(options(spec, colour)));
  for (const source of document.querySelectorAll("script[data-chart]")) {
    const spec = JSON.parse(source.textContent);
    const box = document.getElementById(`chart-${spec.id}`);
    if (!box || !spec.names.length) continue;
    const chart = init(box, null, { locale: "ZH", renderer: "svg" });
    chart.on("click", ({ dataIndex }) => { if (spec.links[dataIndex]) location.href = spec.links[dataIndex]; });
    new ResizeObserver(() => chart.resize()).observe(box);
    drawn.push([chart, spec]);
  }
  draw();
  follow(draw);
}
