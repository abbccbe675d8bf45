// The entry of 统计 at the console, of that page alone: ECharts would be too much for a desk, which draws its bars itself (_chart.html).
import { init, use } from "echarts/core";
import { BarChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";
import { figures } from "./_figures.js";

use([BarChart, GridComponent, TooltipComponent, LegendComponent, AriaComponent, SVGRenderer]);
figures(init, (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
