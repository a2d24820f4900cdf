/* Jobs as pictures: the graph, what each node makes of its rows, and the job in the other languages it can be said in. */
import dagre from '@dagrejs/dagre';
import { useMemo, useState } from 'preact/hooks';
import { get, post, text, type Job, type JobGraph, type JobNode, type Row } from '../api';
import { link, useAsked, usePlace } from '../hooks';
import { t } from '../i18n';
import { Grid } from '../parts/grid';
import { Code, List, States } from '../parts/states';

const WIDTH = 168, HEIGHT = 56;
const exports_ = [['sql', 'sql'], ['glue-script', 'script'], ['spark', 'spark'], ['glue-nodes', 'glueNodes']] as const;

function Graph({ graph, chosen, choose }: { graph: JobGraph; chosen: string; choose: (id: string) => void }) {
	const { nodes, edges, width, height } = useMemo(() => {
		const g = new dagre.graphlib.Graph().setGraph({ rankdir: 'LR', nodesep: 24, ranksep: 40, marginx: 8, marginy: 8 }).setDefaultEdgeLabel(() => ({}));
		for (const n of graph.nodes) g.setNode(n.id, { width: WIDTH, height: HEIGHT });
		for (const n of graph.nodes) for (const from of n.inputs) g.setEdge(from, n.id);
		dagre.layout(g);
		return {
			nodes: graph.nodes.map((n) => ({ n, x: g.node(n.id).x, y: g.node(n.id).y })),
			edges: g.edges().map((e) => ({ key: `${e.v}-${e.w}`, points: g.edge(e).points })),
			width: g.graph().width ?? 0,
			height: g.graph().height ?? 0,
		};
	}, [graph]);
	function key(e: KeyboardEvent, n: JobNode): void {
		const to = e.key === 'ArrowLeft' ? n.inputs[0] : e.key === 'ArrowRight' ? graph.nodes.find((m) => m.inputs.includes(n.id))?.id : undefined;
		if (e.key === 'Enter' || e.key === ' ') choose(n.id);
		else if (to) {
			choose(to);
			document.getElementById(`node-${to}`)?.focus();
		} else return;
		e.preventDefault();
	}
	return (
		<div class="scroll graph" tabIndex={0} role="region" aria-label={t('graph')}>
			<svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={graph.job}>
				<defs>
					<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8Z" /></marker>
				</defs>
				{edges.map((e) => <polyline key={e.key} class="edge" points={e.points.map((p) => `${p.x},${p.y}`).join(' ')} marker-end="url(#arrow)" />)}
				{nodes.map(({ n, x, y }) => (
					<g key={n.id} id={`node-${n.id}`} class={`node ${n.type}`} role="button" {...{ tabindex: 0 }} aria-pressed={n.id === chosen} aria-label={`${n.type}: ${n.id}`} transform={`translate(${x - WIDTH / 2} ${y - HEIGHT / 2})`} onClick={() => choose(n.id)} onKeyDown={(e) => key(e, n)}>
						<rect width={WIDTH} height={HEIGHT} rx="8" />
						<text x="12" y="22" class="kind">{n.type}</text>
						<text x="12" y="42">{n.id}</text>
					</g>
				))}
			</svg>
		</div>
	);
}

function NodeView({ job, node }: { job: string; node: JobNode }) {
	const preview = useAsked((s) => get<Row[]>(`/api/jobs/${job}/preview?node=${encodeURIComponent(node.id)}&limit=50`, s), `${job}/${node.id}`);
	return (
		<section class="panel">
			<h2>{node.id} <span class="quiet">{node.type}</span></h2>
			<p><Code text={node.summary} /></p>
			<div class="split even">
				<div>
					<h3>{t('columns')}</h3>
					<List label={t('columns')} rows={node.columns} columns={[{ name: t('name'), cell: (c) => <code>{c.name}</code> }, { name: t('type'), cell: (c) => c.type }]} />
				</div>
				<div>
					<h3>{t('preview')}</h3>
					<States asked={preview} empty={(d) => !d.length}>{(d) => <Grid columns={Object.keys(d[0] ?? {})} rows={d} label={t('preview')} />}</States>
				</div>
			</div>
		</section>
	);
}

function JobView({ job }: { job: Job }) {
	const graph = useAsked((s) => get<JobGraph>(`/api/jobs/${job.job}`, s), job.job);
	const [chosen, choose] = useState('');
	const [to, setTo] = useState<string>('sql');
	const [said, say] = useState('');
	const script = useAsked(() => text(`/api/jobs/${job.job}/export?to=${to}`), `${job.job}:${to}`);
	async function run(): Promise<void> {
		say(t('loading'));
		try {
			const done = await post<Record<string, unknown> | Record<string, unknown>[]>(`/api/jobs/${job.job}/run`);
			const one = Array.isArray(done) ? done[0] : done;
			say(`${t('jobStarted')} ${String(one?.['state'] ?? one?.['run'] ?? t('ok'))}`);
		} catch (e) {
			say((e as Error).message);
		}
	}
	return (
		<>
			<div class="bar">
				<button type="button" class="primary" onClick={() => void run()}>{t('runJob')}</button>
				<a href={link('runs')}>{t('runs')}</a>
				<span role="status">{said}</span>
			</div>
			<p>{job.doc} <span class="quiet">{t('triggeredBy')} <code>{job.trigger}</code>, {t('writes')} <code>{job.writes}</code>; {job.from}</span></p>
			<States asked={graph}>
				{(d) => {
					const node = d.nodes.find((n) => n.id === chosen) ?? d.nodes[d.nodes.length - 1];
					return (
						<>
							<Graph graph={d} chosen={node?.id ?? ''} choose={choose} />
							{node && <NodeView key={node.id} job={job.job} node={node} />}
						</>
					);
				}}
			</States>
			<section class="panel">
				<div class="bar" role="group" aria-label={t('script')}>
					{exports_.map(([value, label]) => <button key={value} type="button" aria-pressed={to === value} onClick={() => setTo(value)}>{t(label)}</button>)}
				</div>
				<States asked={script}>{(d) => <pre class="code" tabIndex={0}>{d}</pre>}</States>
			</section>
		</>
	);
}

export function Jobs() {
	const { rest } = usePlace();
	const jobs = useAsked((s) => get<Job[]>('/api/jobs', s), 'jobs');
	return (
		<>
			<h1>{t('jobs')}</h1>
			<States asked={jobs} empty={(d) => !d.length}>
				{(d) => {
					const job = d.find((x) => x.job === rest[0]) ?? d.find((x) => x.job === 'portfolio') ?? d[0];
					return (
						<>
							<nav class="tabs" aria-label={t('jobs')}>{d.map((x) => <a key={x.job} href={link('jobs', x.job)} aria-current={x === job ? 'true' : undefined}>{x.job}</a>)}</nav>
							{job && <JobView key={job.job} job={job} />}
						</>
					);
				}}
			</States>
		</>
	);
}
