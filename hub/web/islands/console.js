// The board's bars. Numbers come with the page and again with the stream (#numbers-json); the table beside says the same.
// SVG and rich text, so that the page keeps a strict content policy; patterns as well as colours. Fetched (board.js) when first unfolded.
import { init, use } from "echarts/core";
import { BarChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, GridComponent, TooltipComponent, LegendComponent, AriaComponent, SVGRenderer]);
const box = document.getElementById("chart"), stats = box?.closest("details"), colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
let chart = null;

function draw() {
  if (!stats?.open) return;
  chart ??= init(box, null, { locale: "ZH", renderer: "svg" });
  const { places, series } = JSON.parse(document.getElementById("numbers-json").textContent);
  chart.setOption({
    aria: { enabled: true, decal: { show: true } },
    animation: false,
    textStyle: { fontFamily: "inherit", fontSize: 13 },
    color: series.map((s) => colour(s.tone)),
    legend: { top: 0, left: 8, itemGap: 20 },
    grid: { left: 8, right: 8, top: 36, bottom: 8, containLabel: true },
    tooltip: { trigger: "axis", renderMode: "richText" },
    xAxis: { type: "category", data: places, axisLabel: { interval: 0, rotate: places.length > 8 ? 30 : 0 } },
    yAxis: { type: "value", minInterval: 1 },
    series: series.map((s) => ({ name: s.name, data: s.data, type: "bar", stack: "all", barMaxWidth: 36 })),
  });
  chart.resize();
}
stats?.addEventListener("toggle", draw);
if (box) {
  new ResizeObserver(() => chart?.resize()).observe(box);
  new MutationObserver(draw).observe(document.getElementById("numbers"), { childList: true, subtree: true, characterData: true });
}
draw();
