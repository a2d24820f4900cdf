/* A result as a picture. ECharts is loaded when the first one is drawn; the grid beside it has the same rows. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { EChartsType } from 'echarts/core';
import type { Row } from '../api';
import { number, t } from '../i18n';
import type { Kind } from '../workbook';

export interface ChartOf { kind: Kind; x: string; y: string[] }

const load = async () => (await import('./echarts')).core;

const value = (v: unknown): number | null => (v === null || v === undefined || v === '' ? null : Number(v));
const distinct = (rows: Row[], column: string): string[] => [...new Set(rows.map((r) => String(r[column] ?? '')))];

/* Read from the page, so that a theme is said in one place. */
function colours(): { text: string; quiet: string; line: string; series: string[]; low: string; high: string; up: string; down: string; back: string } {
	const css = getComputedStyle(document.documentElement);
	const of = (name: string): string => css.getPropertyValue(name).trim();
	return { text: of('--text'), quiet: of('--quiet'), line: of('--line'), back: of('--panel'), low: of('--panel'), high: of('--accent'), up: of('--good'), down: of('--bad'), series: [1, 2, 3, 4, 5, 6].map((i) => of(`--series-${i}`)) };
}

export function optionOf(chart: ChartOf, rows: Row[], still: boolean): Record<string, unknown> {
	const c = colours();
	const axis = { axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false }, axisLabel: { color: c.quiet }, splitLine: { lineStyle: { color: c.line } } };
	const x = rows.map((r) => String(r[chart.x] ?? ''));
	const [first = '', second = '', third = '', fourth = ''] = chart.y;
	const common = {
		animation: !still,
		aria: { enabled: true },
		color: c.series,
		textStyle: { color: c.text, fontFamily: getComputedStyle(document.body).fontFamily },
		grid: { left: 8, right: 16, top: chart.y.length > 1 ? 36 : 16, bottom: 8, containLabel: true },
		tooltip: { trigger: 'axis', renderMode: 'richText', confine: true, backgroundColor: c.back, borderColor: c.line, textStyle: { color: c.text }, valueFormatter: (v: unknown) => (typeof v === 'number' ? number(v) : String(v ?? '')) },
		legend: chart.y.length > 1 && chart.kind !== 'candles' ? { top: 0, textStyle: { color: c.text } } : undefined,
	};
	const numbers = { type: 'value', ...axis, scale: chart.kind !== 'bar', axisLabel: { color: c.quiet, formatter: (v: number) => number(v) } };
	if (chart.kind === 'heat') {
		const across = distinct(rows, chart.x), down = distinct(rows, first);
		const all = rows.map((r) => value(r[second]) ?? 0);
		return {
			...common,
			tooltip: { ...common.tooltip, trigger: 'item' },
			xAxis: { type: 'category', data: across, ...axis },
			yAxis: { type: 'category', data: down, ...axis },
			visualMap: { min: Math.min(0, ...all), max: Math.max(...all, 0), show: false, inRange: { color: [c.low, c.high] } },
			series: [{ type: 'heatmap', data: rows.map((r) => [across.indexOf(String(r[chart.x] ?? '')), down.indexOf(String(r[first] ?? '')), value(r[second])]) }],
		};
	}
	if (chart.kind === 'candles')
		return {
			...common,
			xAxis: { type: 'category', data: x, ...axis },
			yAxis: numbers,
			dataZoom: [{ type: 'inside' }],
			/* open, close, low, high is ECharts' order */
			series: [{ type: 'candlestick', itemStyle: { color: c.up, color0: c.down, borderColor: c.up, borderColor0: c.down }, data: rows.map((r) => [value(r[first]), value(r[fourth]), value(r[third]), value(r[second])]) }],
		};
	/* Many names are read better one below the other. */
	const lying = chart.kind === 'bar' && rows.length > 8 && rows.length <= 60 && !/^\d{4}-/.test(x[0] ?? '');
	const names = { type: 'category', data: x, inverse: lying, ...axis, splitLine: { show: false } };
	return {
		...common,
		xAxis: lying ? numbers : names,
		yAxis: lying ? names : numbers,
		dataZoom: rows.length > 200 ? [{ type: 'inside' }] : undefined,
		series: chart.y.map((y) => ({ name: y, type: chart.kind === 'line' ? 'line' : 'bar', showSymbol: rows.length < 40, barMaxWidth: 22, data: rows.map((r) => value(r[y])) })),
	};
}

function save(name: string, blob: Blob): void {
	const a = document.createElement('a');
	a.href = URL.createObjectURL(blob);
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}

function png(svg: string, width: number, height: number): Promise<Blob | null> {
	return new Promise((resolve) => {
		const image = new Image();
		image.onload = () => {
			const canvas = document.createElement('canvas');
			canvas.width = width * 2;
			canvas.height = height * 2;
			const draw = canvas.getContext('2d');
			draw?.scale(2, 2);
			draw?.drawImage(image, 0, 0, width, height);
			canvas.toBlob(resolve);
		};
		image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
	});
}

export function Chart({ chart, rows, label }: { chart: ChartOf; rows: Row[]; label: string }) {
	const box = useRef<HTMLDivElement>(null);
	const drawn = useRef<EChartsType | undefined>(undefined);
	const [theme, setTheme] = useState(0);
	const tall = chart.kind === 'bar' && rows.length > 8 && rows.length <= 60 ? Math.max(280, rows.length * 22) : 320;
	useEffect(() => {
		const changed = (): void => setTheme((n) => n + 1);
		const dark = matchMedia('(prefers-color-scheme: dark)');
		addEventListener('themechange', changed);
		dark.addEventListener('change', changed);
		return () => {
			removeEventListener('themechange', changed);
			dark.removeEventListener('change', changed);
		};
	}, []);
	useEffect(() => {
		let gone = false;
		const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
		const resized = new ResizeObserver(() => drawn.current?.resize());
		void load().then((core) => {
			if (gone || !box.current) return;
			drawn.current ??= core.init(box.current, null, { renderer: 'svg' });
			drawn.current.setOption(optionOf(chart, rows, still), true);
			drawn.current.resize();
			resized.observe(box.current);
		});
		return () => {
			gone = true;
			resized.disconnect();
		};
	}, [chart, rows, theme, tall]);
	useEffect(() => () => drawn.current?.dispose(), []);
	async function keep(format: 'svg' | 'png'): Promise<void> {
		const c = drawn.current;
		if (!c) return;
		const svg = c.renderToSVGString();
		const blob = format === 'svg' ? new Blob([svg], { type: 'image/svg+xml' }) : await png(svg, c.getWidth(), c.getHeight());
		if (blob) save(`${label || 'pregao'}.${format}`, blob);
	}
	return (
		<figure class="chart">
			<div ref={box} class="canvas" style={{ height: `${tall}px` }} role="img" aria-label={`${label}: ${chart.y.join(', ')} × ${chart.x}`} />
			<figcaption>
				<button type="button" class="small" onClick={() => void keep('svg')}>SVG</button>
				<button type="button" class="small" onClick={() => void keep('png')}>PNG</button>
				<span class="quiet">{t('credit')}</span>
			</figcaption>
		</figure>
	);
}
