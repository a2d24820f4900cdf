/* Is everything fresh? Each card leads to its cause. */
import type { ComponentChildren } from 'preact';
import { get, query, type Alarm, type Doctor, type Next, type Run, type Stream } from '../api';
import { link, useAsked } from '../hooks';
import { date, duration, number, t, time } from '../i18n';
import { Badge, Code, States } from '../parts/states';

const EVERY = 15_000;

function Card({ title, href, children }: { title: string; href: string; children: ComponentChildren }) {
	return (
		<section class="card panel">
			<h2><a href={href}>{title}</a></h2>
			{children}
		</section>
	);
}

export function Painel() {
	const last = useAsked((s) => query('SELECT index_code AS i, pregao_date::TEXT AS d, sum(papers) AS n FROM refined.portfolio GROUP BY ALL ORDER BY d DESC, i LIMIT 6', s), 'last', EVERY);
	const largest = useAsked((s) => query(`SELECT action, sum(participation) AS p FROM refined.portfolio
		WHERE (index_code, pregao_date) = (SELECT (index_code, pregao_date) FROM refined.portfolio ORDER BY pregao_date DESC, index_code LIMIT 1) GROUP BY action ORDER BY p DESC LIMIT 10`, s), 'largest', 60_000);
	const next = useAsked((s) => get<Next[]>('/api/schedules/next?limit=3', s), 'next', EVERY);
	const stream = useAsked((s) => get<Stream[]>('/api/stream', s), 'stream', EVERY);
	const alarms = useAsked((s) => get<Alarm[]>('/api/alarms', s), 'alarms', EVERY);
	const queues = useAsked((s) => get<Record<string, unknown>[]>('/api/queues', s), 'queues', EVERY);
	const dead = useAsked((s) => get<Record<string, unknown>[]>('/api/queues?dead=true', s), 'dead', EVERY);
	const runs = useAsked((s) => get<Run[]>('/api/runs?limit=6', s), 'runs', EVERY);
	const doctor = useAsked((s) => get<Doctor[]>('/api/doctor', s), 'doctor', 60_000);
	return (
		<>
			<h1>{t('painel')}</h1>
			<div class="cards">
				<Card title={t('lastSession')} href={link('workbook')}>
					<States asked={last} empty={(d) => !d.length}>
						{(d) => (
							<>
								<p class="big">{date(String(d[0]?.['d']))}</p>
								<p class="quiet">{d.filter((r) => r['d'] === d[0]?.['d']).map((r) => `${String(r['i'])}: ${number(Number(r['n']))} ${t('stocks')}`).join(' · ')}</p>
							</>
						)}
					</States>
				</Card>
				<Card title={t('nextRun')} href={link('operations')}>
					<States asked={next} empty={(d) => !d.length}>{(d) => <><p class="big">{date(d[0]?.slot ?? '')}</p><p class="quiet">{time(d[0]?.due ?? null)}</p></>}</States>
				</Card>
				<Card title={t('streamLag')} href={link('bitcoin')}>
					<States asked={stream} empty={(d) => !d.length}>
						{(d) => <><p class="big">{number(d[0]?.lag_seconds ?? 0)} {t('seconds')}</p><p class="quiet">{number(d[0]?.last_seq ?? 0)} {t('records')} · {time(d[0]?.last_record_at ?? null)}</p></>}
					</States>
				</Card>
				<Card title={t('queueDepth')} href={link('operations')}>
					<States asked={queues}>{(d) => <><p class="big">{number(d.length)}</p><p class="quiet">{t('waiting')} · {number(dead.data?.length ?? 0)} {t('deadLetters')}</p></>}</States>
				</Card>
				<Card title={t('alarms')} href={link('operations')}>
					<States asked={alarms}>
						{(d) => {
							const firing = d.filter((a) => a.state !== 'ok');
							return firing.length ? <ul class="plain">{firing.map((a) => <li key={a.alarm}><Badge word={a.state} /> {a.alarm}: {a.text}</li>)}</ul> : <p class="big good">✓ {t('allQuiet')}</p>;
						}}
					</States>
				</Card>
				<Card title={t('health')} href={link('operations')}>
					<States asked={doctor}>
						{(d) => {
							const wrong = d.filter((x) => x.severity !== 'ok' && x.severity !== 'note');
							return wrong.length ? <ul class="plain">{wrong.map((x) => <li key={x.check}><Badge word={x.severity} /> {x.what} {x.mend && <Code text={`\`${x.mend}\``} />}</li>)}</ul> : <p class="big good">✓ {t('allQuiet')}</p>;
						}}
					</States>
				</Card>
				<section class="card panel wide">
					<h2><a href={link('workbook')}>{t('largest')}</a></h2>
					<States asked={largest} empty={(d) => !d.length}>
						{(d) => (
							<ol class="bars">
								{d.map((r) => (
									<li key={String(r['action'])}>
										<span>{String(r['action'])}</span>
										<span class="track" aria-hidden="true"><span style={{ width: `${(100 * Number(r['p'])) / Number(d[0]?.['p'] ?? 1)}%` }} /></span>
										<span class="number">{number(String(r['p']))} %</span>
									</li>
								))}
							</ol>
						)}
					</States>
				</section>
				<section class="card panel wide">
					<h2><a href={link('runs')}>{t('latestRuns')}</a></h2>
					<States asked={runs} empty={(d) => !d.length}>
						{(d) => <ul class="plain rows">{d.map((r) => <li key={r.run}><Badge word={r.state} /> <a href={link('runs', r.run)}>{r.name}</a> <span class="quiet">{time(r.started)} · {duration(r.took_us)}</span>{r.error && <span class="bad"> {r.error}</span>}</li>)}</ul>}
					</States>
				</section>
			</div>
		</>
	);
}
