/* The price as it comes, and as it was: each source's newest tick, the line of the last hours, candles, gaps. */
import { useMemo, useState } from 'preact/hooks';
import { get, query, type Row, type Stream } from '../api';
import { useAsked } from '../hooks';
import { number, t, time } from '../i18n';
import { Chart } from '../parts/chart';
import { Code, List, States } from '../parts/states';

const EVERY = 5_000;

/* Rise and fall by sign and word, not by colour alone. */
function Move({ from, to }: { from: unknown; to: unknown }) {
	const a = Number(from), b = Number(to);
	if (from === null || to === null || !a) return <span class="quiet">—</span>;
	const percent = (100 * (b - a)) / a;
	const word = percent > 0 ? 'up' : percent < 0 ? 'down' : 'flat';
	return <span class={percent > 0 ? 'good' : percent < 0 ? 'bad' : 'quiet'}>{percent > 0 ? '▲ +' : percent < 0 ? '▼ −' : '• '}{number(Math.abs(Math.round(percent * 1000) / 1000))} % <span class="hidden">{t(word)}</span></span>;
}

/* Prices without the zeros that no market has; never fewer than cents. */
const trimmed = (price: string): string => price.replace(/(\.\d\d\d*?)0+$/, '$1');

/* How far each source has moved since the first slot, in percent: so pairs in other currencies compare. */
function wide(rows: Row[]): { rows: Row[]; sources: string[] } {
	const sources = [...new Set(rows.map((r) => String(r['source'])))];
	const by = new Map<string, Row>();
	const first: Record<string, number> = {};
	for (const r of rows) {
		const at = String(r['slot']);
		const row = by.get(at) ?? { slot: at, ...Object.fromEntries(sources.map((s) => [s, null])) };
		const source = String(r['source']);
		first[source] ??= Number(r['last']);
		row[source] = Math.round((1e6 * (Number(r['last']) - first[source])) / first[source]) / 1e4;
		by.set(at, row);
	}
	return { rows: [...by.values()], sources };
}

export function Bitcoin() {
	const [interval, setInterval] = useState('1m');
	const stream = useAsked((s) => get<Stream[]>('/api/stream', s), 'stream', EVERY);
	const newest = useAsked((s) => query(`SELECT source, pair, arg_max(last, slot)::TEXT AS last, max(slot)::TEXT AS slot, arg_min(last, slot)::TEXT AS first
		FROM raw.bitcoin_ticks WHERE slot > (SELECT max(slot) FROM raw.bitcoin_ticks) - INTERVAL 1 DAY GROUP BY source, pair ORDER BY pair, source`, s), 'newest', EVERY);
	const line = useAsked((s) => query(`SELECT slot::TEXT AS slot, source || ' ' || pair AS source, last FROM raw.bitcoin_ticks
		WHERE slot > (SELECT max(slot) FROM raw.bitcoin_ticks) - INTERVAL 6 HOUR ORDER BY slot`, s), 'line', 15_000);
	const candles = useAsked((s) => query(`SELECT source || ' ' || pair AS of, strftime(open_time, '%Y-%m-%d %H:%M') AS begin, open, high, low, close
		FROM refined.bitcoin_candles WHERE width = '${interval}' QUALIFY row_number() OVER (PARTITION BY source, pair, basis ORDER BY open_time DESC) <= 300
		ORDER BY basis DESC, source, pair, open_time`, s), interval, 60_000);
	const gaps = useAsked((s) => get<Row[]>('/api/stream/gaps', s), 'gaps', 30_000);
	const drawn = useMemo(() => wide(line.data ?? []), [line.data]);
	const [of, choose] = useState('');
	const pairs = [...new Set(candles.data?.map((r) => String(r['of'])) ?? [])];
	const pair = pairs.includes(of) ? of : pairs[0];
	const shown = useMemo(() => candles.data?.filter((r) => r['of'] === pair) ?? [], [candles.data, pair]);
	return (
		<>
			<h1>{t('bitcoin')}</h1>
			<States asked={stream} empty={(d) => !d.length}>
				{(d) => <p class="quiet">{number(d[0]?.last_seq ?? 0)} {t('records')} · {t('streamLag')}: {number(d[0]?.lag_seconds ?? 0)} {t('seconds')} · {number(d[0]?.gaps ?? 0)} {t('gaps').toLowerCase()}{d[0]?.last_error && <span class="bad"> · {d[0].last_error}</span>}</p>}
			</States>
			<States asked={newest}>
				{(d) =>
					d.length ? (
						<div class="cards" aria-live="polite">
							{d.map((r) => (
								<section key={`${String(r['source'])}${String(r['pair'])}`} class="card panel">
									<h2>{String(r['source'])} <span class="quiet">{String(r['pair'])}</span></h2>
									<p class="big">{number(trimmed(String(r['last'])))}</p>
									<p><Move from={r['first'] ?? null} to={r['last'] ?? null} /> <span class="quiet">{time(`${String(r['slot']).replace(' ', 'T')}Z`)}</span></p>
								</section>
							))}
						</div>
					) : (
						<p class="panel">{t('noTicks')} <Code text={t('noTicksMend')} /></p>
					)
				}
			</States>
			{drawn.rows.length > 1 && (
				<section class="panel"><h2>{t('change')} (%)</h2><Chart chart={{ kind: 'line', x: 'slot', y: drawn.sources }} rows={drawn.rows} label={t('change')} /></section>
			)}
			{shown.length > 0 && (
				<section class="panel">
					<div class="bar"><h2>{t('candles')}</h2>
						<label>{t('interval')} <select value={interval} onChange={(e) => setInterval(e.currentTarget.value)}>{['1m', '1h', '1d'].map((i) => <option key={i}>{i}</option>)}</select></label>
						<label>{t('pair')} <select value={pair} onChange={(e) => choose(e.currentTarget.value)}>{pairs.map((p) => <option key={p}>{p}</option>)}</select></label>
					</div>
					<Chart chart={{ kind: 'candles', x: 'begin', y: ['open', 'high', 'low', 'close'] }} rows={shown} label={t('candles')} />
				</section>
			)}
			<section class="panel">
				<h2>{t('gaps')}</h2>
				<States asked={gaps} empty={(d) => !d.length}>
					{(d) => <List label={t('gaps')} rows={d.slice(0, 200)} columns={Object.keys(d[0] ?? {}).map((name) => ({ name, cell: (r: Row) => String(r[name] ?? '') }))} />}
				</States>
			</section>
		</>
	);
}
