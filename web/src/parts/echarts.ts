/* The parts of ECharts that are used: a chunk of its own, loaded when the first chart is drawn. */
import { BarChart, CandlestickChart, HeatmapChart, LineChart } from 'echarts/charts';
import { AriaComponent, DataZoomInsideComponent, GridComponent, LegendPlainComponent, TooltipComponent, VisualMapContinuousComponent } from 'echarts/components';
import * as core from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

core.use([BarChart, CandlestickChart, HeatmapChart, LineChart, AriaComponent, DataZoomInsideComponent, GridComponent, LegendPlainComponent, TooltipComponent, VisualMapContinuousComponent, SVGRenderer]);
export { core };
