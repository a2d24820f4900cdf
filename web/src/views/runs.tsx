/* Every run, also those that failed to start: the reason in the list, the steps with their times, the logs. */
import { useState } from 'preact/hooks';
import { get, post, type Log, type Run, type RunDetail } from '../api';
import { link, useAsked, usePlace } from '../hooks';
import { bytes, duration, number, t, time, word } from '../i18n';
import { Badge, List, States } from '../parts/states';

function RunView({ id }: { id: string }) {
	const run = useAsked((s) => get<RunDetail>(`/api/runs/${id}`, s), id, 5_000);
	const logs = useAsked((s) => get<Log[]>(`/api/runs/${id}/logs?limit=500`, s), id, 5_000);
	const [said, say] = useState('');
	return (
		<States asked={run}>
			{(r) => {
				const longest = Math.max(1, ...r.steps.map((s) => s.took_us));
				return (
					<>
						<div class="bar">
							<h2>{r.name} <Badge word={r.state} /></h2>
							{r.kind === 'job' && <button type="button" onClick={() => void post(`/api/jobs/${r.name}/run`).then(() => say(t('done')), (e: Error) => say(e.message))}>{t('again')}</button>}
							<span role="status">{said}</span>
						</div>
						<p class="quiet"><code>{r.run}</code> · {r.kind} · {duration(r.ended_us ? r.ended_us - r.started_us : null)}</p>
						{r.error && <p class="failure" role="alert">{r.error}</p>}
						<h3>{t('steps')}</h3>
						<ol class="bars">
							{r.steps.map((s) => (
								<li key={s.step}>
									<span>{s.step}</span>
									<span class="track" aria-hidden="true"><span style={{ width: `${(100 * s.took_us) / longest}%` }} /></span>
									<span class="number">{duration(s.took_us)}{s.rows >= 0 && ` · ${number(s.rows)} ${t('rowsSoFar')}`}{s.bytes >= 0 && ` · ${bytes(s.bytes)}`}</span>
								</li>
							))}
						</ol>
						<h3>{t('logs')}</h3>
						<States asked={logs} empty={(d) => !d.length}>
							{(d) => <List label={t('logs')} rows={d} columns={[{ name: t('at'), cell: (l) => time(l.at) }, { name: t('state'), cell: (l) => <Badge word={l.level} /> }, { name: t('name'), cell: (l) => <code>{l.event}</code> }, { name: t('meaning'), cell: (l) => `${l.text}${l.object ? ` (${l.object})` : ''}` }]} />}
						</States>
					</>
				);
			}}
		</States>
	);
}

export function Runs() {
	const { rest } = usePlace();
	const [failed, only] = useState(false);
	const runs = useAsked((s) => get<Run[]>('/api/runs?limit=200', s), 'runs', 5_000);
	return (
		<>
			<h1>{t('runs')}</h1>
			<div class="bar"><label><input type="checkbox" checked={failed} onChange={(e) => only(e.currentTarget.checked)} /> {t('failedOnly')}</label></div>
			<section class="panel">
				<States asked={runs} empty={(d) => !d.length}>
					{(d) => (
						<List label={t('runs')} rows={d.filter((r) => !failed || r.state === 'failed')} columns={[
							{ name: t('state'), cell: (r) => <Badge word={r.state} /> },
							{ name: t('name'), cell: (r) => <a href={link('runs', r.run)} aria-current={r.run === rest[0] ? 'true' : undefined}>{r.name}</a> },
							{ name: t('kind'), cell: (r) => word(r.kind) },
							{ name: t('started'), cell: (r) => time(r.started) },
							{ name: t('took'), number: true, cell: (r) => duration(r.took_us) },
							{ name: t('error'), cell: (r) => r.error },
						]} />
					)}
				</States>
			</section>
			<section class="panel">{rest[0] ? <RunView key={rest[0]} id={rest[0]} /> : <p class="quiet">{t('chooseRun')}</p>}</section>
		</>
	);
}
