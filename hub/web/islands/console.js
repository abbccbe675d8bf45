// The board's bars. Numbers come with the page and again with the stream (#numbers-json); the table beside says the same.
// SVG and rich text, so that the page keeps a strict content policy; patterns as well as colours. Fetched (board.js) when first unfolded.
import { init, use } from "echarts/core";
import { BarChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";
import { follow, options } from "./_figures.js";

use([BarChart, GridComponent, TooltipComponent, LegendComponent, AriaComponent, SVGRenderer]);
const box = document.getElementById("chart"), stats = box?.closest("details"), colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const SLANTED_FROM = 9; // townships; with fewer their names stand side by side
let chart = null;

function draw() {
  if (!stats?.open) return;
  chart ??= init(box, null, { locale: "ZH", renderer: "svg" });
  const { places, series } = JSON.parse(document.getElementById("numbers-json").textContent);
  chart.setOption(options({ names: places, series, label: { interval: 0, rotate: places.length < SLANTED_FROM ? 0 : 30 } }, colour));
  chart.resize();
}
stats?.addEventListener("toggle", draw);
if (box) {
  new ResizeObserver(() => chart?.resize()).observe(box);
  new MutationObserver(draw).observe(document.getElementById("numbers"), { childList: true, subtree: true, characterData: true });
  follow(draw);
}
draw();
