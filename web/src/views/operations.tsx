/* What keeps the lake running, and what to do when it does not. */
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { get, post, type Alarm, type Backup, type Doctor, type Row } from '../api';
import { useAsked, type Asked } from '../hooks';
import { bytes, number, t, time } from '../i18n';
import { Badge, Code, List, States } from '../parts/states';

function Act({ label, path, after }: { label: string; path: string; after: () => void }) {
	const [said, say] = useState('');
	return (
		<>
			<button type="button" class="small" onClick={() => void post(path).then(() => (say(t('done')), after()), (e: Error) => say(e.message))}>{label}</button>{' '}
			<span role="status">{said}</span>
		</>
	);
}

function Section({ title, children, act }: { title: string; children: ComponentChildren; act?: ComponentChildren }) {
	return <section class="panel"><div class="bar"><h2>{title}</h2>{act}</div>{children}</section>;
}

/* Rows whose columns are the answer's own. */
function Plain({ asked, label, act }: { asked: Asked<Row[]>; label: string; act?: (row: Row) => ComponentChildren }) {
	return (
		<States asked={asked} empty={(d) => !d.length}>
			{(d) => <List label={label} rows={d} columns={[...Object.keys(d[0] ?? {}).map((name) => ({ name, cell: (r: Row) => String(r[name] ?? '') as ComponentChildren })), ...(act ? [{ name: t('action'), cell: act }] : [])]} />}
		</States>
	);
}

export function Operations() {
	const alarms = useAsked((s) => get<Alarm[]>('/api/alarms', s), 'alarms', 10_000);
	const past = useAsked((s) => get<Row[]>('/api/alarms/history?limit=50', s), 'history', 30_000);
	const doctor = useAsked((s) => get<Doctor[]>('/api/doctor', s), 'doctor', 60_000);
	const queues = useAsked((s) => get<Row[]>('/api/queues', s), 'queues', 10_000);
	const dead = useAsked((s) => get<Row[]>('/api/queues?dead=true', s), 'dead', 10_000);
	const quarantine = useAsked((s) => get<Row[]>('/api/quarantine', s), 'quarantine', 10_000);
	const backup = useAsked((s) => get<Backup[]>('/api/backup', s), 'backup', 30_000);
	const schedules = useAsked((s) => get<Row[]>('/api/schedules', s), 'schedules', 30_000);
	return (
		<>
			<h1>{t('operations')}</h1>
			<Section title={t('alarms')}>
				<States asked={alarms}>{(d) => <List label={t('alarms')} rows={d} columns={[{ name: t('state'), cell: (a) => <Badge word={a.state} /> }, { name: t('name'), cell: (a) => a.alarm }, { name: t('meaning'), cell: (a) => a.text }, { name: t('since'), cell: (a) => (a.since ? time(a.since) : '') }]} />}</States>
				{past.data && past.data.length > 0 && <details><summary>{t('history')}</summary><Plain asked={past} label={t('history')} /></details>}
			</Section>
			<Section title={t('health')}>
				<States asked={doctor}>{(d) => <List label={t('health')} rows={d} columns={[{ name: t('state'), cell: (x) => <Badge word={x.severity} /> }, { name: t('check'), cell: (x) => x.check }, { name: t('finding'), cell: (x) => x.what }, { name: t('mend'), cell: (x) => x.mend && <Code text={`\`${x.mend}\``} /> }]} />}</States>
			</Section>
			<Section title={t('quarantine')}>
				<States asked={quarantine} empty={(d) => !d.length}>
					{(d) => <List label={t('quarantine')} rows={d} columns={[
						{ name: t('at'), cell: (r) => time(String(r['at'])) },
						{ name: t('reason'), cell: (r) => <><code>{String(r['reason'])}</code> {String(r['error'] ?? r['text'] ?? '')}</> },
						{ name: t('source'), cell: (r) => String(r['source'] ?? '') },
						{ name: t('bytes'), number: true, cell: (r) => bytes(Number(r['bytes'])) },
						{ name: t('action'), cell: (r) => <Act label={t('replay')} path={`/api/quarantine/${String(r['id']).slice(0, 16)}/replay`} after={quarantine.again} /> },
					]} />}
				</States>
			</Section>
			<Section title={t('queues')} act={dead.data && dead.data.length > 0 ? <Act label={`${t('redrive')} (${number(dead.data.length)})`} path="/api/queues/redrive" after={dead.again} /> : undefined}>
				<Plain asked={queues} label={t('queues')} />
			</Section>
			<Section title={t('backup')}>
				<States asked={backup} empty={(d) => !d.length}>
					{(d) => <List label={t('backup')} rows={d} columns={[{ name: t('location'), cell: (b) => <code>{b.to}</code> }, { name: t('copies'), number: true, cell: (b) => `${number(b.copied)} / ${number(b.live)}` }, { name: t('bytes'), number: true, cell: (b) => bytes(b.copied_bytes) }, { name: t('waiting'), number: true, cell: (b) => number(b.waiting) }, { name: t('lastCopy'), cell: (b) => time(b.last_copy) }]} />}
				</States>
			</Section>
			<Section title={t('schedules')}>
				<Plain asked={schedules} label={t('schedules')} act={(r) => <Act label={t('runNow')} path={`/api/schedules/${encodeURIComponent(String(r['schedule'] ?? ''))}/run`} after={schedules.again} />} />
			</Section>
			<p><a href="/metrics">Prometheus</a> · <a href="/api/openapi.json">OpenAPI</a></p>
		</>
	);
}
