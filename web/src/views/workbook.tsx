/* The workbook: words, SQL, pictures. What a reader changes stays in the browser; the shipped text is always there to go back to. */
import { lexer, type Token, type Tokens } from 'marked';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import shipped from '../../../workbooks/ibov.md?raw';
import { ApiError, download, header, query, rows, type Row } from '../api';
import { link, useAsked, usePlace } from '../hooks';
import { date, number, t } from '../i18n';
import { Chart, type ChartOf } from '../parts/chart';
import { Editor } from '../parts/editor';
import { Grid } from '../parts/grid';
import { Failure } from '../parts/states';
import { fill, kinds, packCell, parseBook, printBook, unpackCell, type Book, type Kind, type SqlCell } from '../workbook';

const KEPT = 'workbook:ibov';
const SHOWN_MOST = 1_000_000;
const CHART_MOST = 5_000;

/* -- words: from Markdown's tree to text nodes, never as HTML -- */

function inline(tokens: Token[] | undefined): preact.ComponentChildren {
	return tokens?.map((x, i) => {
		const below = 'tokens' in x ? inline(x.tokens) : undefined;
		if (x.type === 'strong') return <strong key={i}>{below}</strong>;
		if (x.type === 'em') return <em key={i}>{below}</em>;
		if (x.type === 'codespan') return <code key={i}>{(x as Tokens.Codespan).text}</code>;
		if (x.type === 'link' && /^(https?:|#)/.test((x as Tokens.Link).href)) return <a key={i} href={(x as Tokens.Link).href} rel="noreferrer">{below}</a>;
		return below ?? ('text' in x ? String(x.text) : x.raw);
	});
}
function Words({ text }: { text: string }) {
	return (
		<div class="words">
			{lexer(text).map((x, i) => {
				if (x.type === 'heading') return <h2 key={i} class={`depth${(x as Tokens.Heading).depth}`}>{inline(x.tokens)}</h2>;
				if (x.type === 'list') return <ul key={i}>{(x as Tokens.List).items.map((item, k) => <li key={k}>{inline(item.tokens)}</li>)}</ul>;
				if (x.type === 'paragraph') return <p key={i}>{inline(x.tokens)}</p>;
				return x.type === 'space' ? null : <p key={i}>{x.raw}</p>;
			})}
		</div>
	);
}

/* -- one cell -- */

interface Result { columns: string[]; rows: Row[]; ms: number; done: boolean; cut: boolean; error?: ApiError; cancelled?: boolean }

function useResult(): [Result | undefined, (statement: string) => void, () => void] {
	const [result, set] = useState<Result>();
	const abort = useRef<AbortController | undefined>(undefined);
	const run = useCallback((statement: string) => {
		abort.current?.abort();
		const mine = (abort.current = new AbortController());
		const from = performance.now();
		const all: Row[] = [];
		const say = (more: Partial<Result>): void => {
			if (abort.current === mine) set({ columns: Object.keys(all[0] ?? {}), rows: all, ms: performance.now() - from, done: false, cut: false, ...more });
		};
		say({});
		void (async () => {
			let drawn = 0;
			try {
				for await (const some of rows(statement, mine.signal)) {
					for (const row of some) if (all.length < SHOWN_MOST) all.push(row);
					if (all.length >= SHOWN_MOST) {
						say({ rows: [...all], done: true, cut: true });
						mine.abort();
						return;
					}
					if (performance.now() - drawn > 150) {
						drawn = performance.now();
						say({ rows: [...all] });
					}
				}
				say({ rows: [...all], done: true, columns: all.length ? Object.keys(all[0] ?? {}) : await header(statement, mine.signal) });
			} catch (e) {
				if (mine.signal.aborted) say({ rows: [...all], done: true, cancelled: true });
				else say({ done: true, error: e instanceof ApiError ? e : new ApiError(0, 'FAILED', String(e)) });
			}
		})();
	}, []);
	useEffect(() => () => abort.current?.abort(), []);
	return [result, run, () => abort.current?.abort()];
}

function keep(name: string, blob: Blob): void {
	const a = document.createElement('a');
	a.href = URL.createObjectURL(blob);
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}

function CellView({ cell, values, go, onChange, onRemove }: { cell: SqlCell; values: Record<string, string>; go: number; onChange: (c: SqlCell) => void; onRemove?: () => void }) {
	const [result, run, stop] = useResult();
	const [open, setOpen] = useState(!cell.statement || cell.id === 'shared');
	const [said, say] = useState('');
	const filled = useMemo(() => fill(cell.statement, values), [cell.statement, values]);
	const waits = filled.used.some((name) => !values[name]);
	/* The editor may be ahead of what was drawn last: it says what to run. */
	const start = (statement = cell.statement): void => {
		const { text, used } = fill(statement, values);
		if (text.trim() && !used.some((name) => !values[name])) run(text);
	};
	const key = filled.used.map((n) => values[n]).join('|');
	useEffect(() => start(), [key, go, waits]);
	const columns = result?.columns ?? [];
	const chart: ChartOf = useMemo(() => ({ kind: cell.kind, x: cell.x || (columns[0] ?? ''), y: cell.y.length ? cell.y : columns.slice(1, 2) }), [cell.kind, cell.x, cell.y, columns.join()]);
	const drawable = result && !result.error && result.rows.length > 0 && chart.kind !== 'table' && columns.includes(chart.x) && chart.y.every((y) => columns.includes(y));
	const drawn = useMemo(() => result?.rows.slice(0, CHART_MOST) ?? [], [result?.rows]);
	const name = cell.title || cell.id;
	async function share(): Promise<void> {
		const url = `${location.origin}/${link('workbook')}?cell=${packCell({ ...cell, statement: filled.text })}`;
		await navigator.clipboard.writeText(url);
		say(t('copied'));
	}
	return (
		<section class="cell panel" aria-label={name}>
			<div class="bar">
				<h3>{name}</h3>
				<span class="quiet" role="status">
					{said}
					{result && !result.error && ` ${number(result.rows.length)} ${t('rowsSoFar')} ${result.done ? `${t('took')} ${number(Math.round(result.ms))} ms` : '…'}`}
				</span>
				{result && !result.done ? <button type="button" onClick={stop}>{t('cancel')}</button> : <button type="button" class="primary" onClick={() => start()} title="Ctrl+Enter">{t('run')}</button>}
				<button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? t('hide') : t('edit')}</button>
			</div>
			{open && (
				<>
					<Editor text={cell.statement} label={`${t('statement')}: ${name}`} onChange={(statement) => onChange({ ...cell, statement })} onRun={start} error={result?.error && result.error.line ? { line: result.error.line, column: result.error.column, text: result.error.message } : undefined} />
					<div class="bar options">
						<label>{t('title')} <input value={cell.title} onInput={(e) => onChange({ ...cell, title: e.currentTarget.value })} /></label>
						<label>{t('chart')}{' '}
							<select value={cell.kind} onChange={(e) => onChange({ ...cell, kind: e.currentTarget.value as Kind })}>
								{kinds.map((k) => <option key={k} value={k}>{t(k)}</option>)}
							</select>
						</label>
						{cell.kind !== 'table' && (
							<>
								<label>{t('horizontal')}{' '}
									<select value={chart.x} onChange={(e) => onChange({ ...cell, x: e.currentTarget.value })}>{columns.map((c) => <option key={c}>{c}</option>)}</select>
								</label>
								<fieldset>
									<legend>{t('vertical')}</legend>
									{columns.filter((c) => c !== chart.x).map((c) => (
										<label key={c}><input type="checkbox" checked={chart.y.includes(c)} onChange={(e) => onChange({ ...cell, y: e.currentTarget.checked ? [...chart.y, c] : chart.y.filter((v) => v !== c) })} /> {c}</label>
									))}
								</fieldset>
							</>
						)}
						<button type="button" onClick={() => void share()}>{t('share')}</button>
						{(['csv', 'parquet'] as const).map((f) => (
							<button key={f} type="button" onClick={() => void download(filled.text, f).then((b) => keep(`${cell.id}.${f}`, b), (e: Error) => say(e.message))}>{f.toUpperCase()}</button>
						))}
						{onRemove && <button type="button" onClick={onRemove}>{t('remove')}</button>}
					</div>
				</>
			)}
			{result?.error && <Failure error={result.error} />}
			{result?.cancelled && <p class="quiet">{t('cancelled')}</p>}
			{drawable && <Chart chart={chart} rows={drawn} label={name} />}
			{result && !result.error && result.done && !result.rows.length && <p class="quiet">{t('noRows')}</p>}
			{result && !result.error && columns.length > 0 && (
				<details open={!drawable}>
					<summary>{t('table')}</summary>
					<Grid columns={columns} rows={result.rows} label={name} />
					{result.cut && <p class="quiet">{t('moreRows')}</p>}
				</details>
			)}
		</section>
	);
}

/* -- all of them -- */

function load(): Book {
	return parseBook(localStorage.getItem(KEPT) ?? shipped);
}

export function Workbook() {
	const { search, rest } = usePlace();
	const packed = search.get('cell');
	const [book, setBook] = useState<Book>(load);
	const [go, setGo] = useState(0);
	const [generation, renew] = useState(0);
	const [index, setIndex] = useState(search.get('index') ?? book.params.find(([n]) => n === 'index')?.[1] ?? 'IBOV');
	const [chosen, setChosen] = useState({ session: search.get('session') ?? '', previous: search.get('previous') ?? '' });
	const sessions = useAsked((s) => query('SELECT DISTINCT index_code AS i, pregao_date AS d FROM refined.portfolio ORDER BY i, d DESC', s), 'sessions');
	const [shared, setShared] = useState<SqlCell>();
	useEffect(() => setShared(packed ? unpackCell(packed) : rest[0] === 'table' && rest[1] ? { type: 'sql', id: 'shared', title: rest[1], kind: 'table', x: '', y: [], statement: `SELECT * FROM ${rest[1].split('.').map((p) => `"${p.replaceAll('"', '""')}"`).join('.')} LIMIT 1000` } : undefined), [packed, rest.join('/')]);
	const indices = [...new Set(sessions.data?.map((r) => String(r['i'])) ?? [])];
	const days = sessions.data?.filter((r) => r['i'] === index).map((r) => String(r['d'])) ?? [];
	const session = days.includes(chosen.session) ? chosen.session : (days[0] ?? '');
	const previous = days.includes(chosen.previous) ? chosen.previous : (days[days.indexOf(session) + 1] ?? session);
	const values = useMemo(() => ({ index, session, previous }), [index, session, previous]);
	const change = (next: Book): void => {
		setBook(next);
		const text = printBook(next);
		if (text === shipped) localStorage.removeItem(KEPT);
		else localStorage.setItem(KEPT, text);
	};
	const at = (i: number, cell: SqlCell): void => change({ ...book, cells: book.cells.map((c, k) => (k === i ? cell : c)) });
	const add = (): void => change({ ...book, cells: [...book.cells, { type: 'sql', id: `cell${Date.now().toString(36)}`, title: '', kind: 'table', x: '', y: [], statement: '' }] });
	return (
		<>
			<div class="top">
				<h1>{book.title || t('workbook')}</h1>
				<div class="bar">
					<label>{t('index')}{' '}
						<select value={index} onChange={(e) => setIndex(e.currentTarget.value)}>{(indices.length ? indices : [index]).map((i) => <option key={i}>{i}</option>)}</select>
					</label>
					<label>{t('session')}{' '}
						<select value={session} onChange={(e) => setChosen({ ...chosen, session: e.currentTarget.value })}>{days.map((d) => <option key={d} value={d}>{date(d)}</option>)}</select>
					</label>
					<label>{t('previous')}{' '}
						<select value={previous} onChange={(e) => setChosen({ ...chosen, previous: e.currentTarget.value })}>{days.map((d) => <option key={d} value={d}>{date(d)}</option>)}</select>
					</label>
					<button type="button" class="primary" onClick={() => setGo(go + 1)}>{t('runAll')}</button>
					<button type="button" onClick={() => keep('ibov.md', new Blob([printBook(book)], { type: 'text/markdown' }))}>{t('source')}</button>
					{localStorage.getItem(KEPT) && <button type="button" onClick={() => confirm(t('resetAsk')) && (change(parseBook(shipped)), renew(generation + 1))}>{t('reset')}</button>}
				</div>
			</div>
			{sessions.error && <Failure error={sessions.error} again={sessions.again} />}
			{shared && <CellView key={packed ?? rest.join('/')} cell={shared} values={values} go={go} onChange={setShared} />}
			{book.cells.map((c, i) => (c.type === 'text' ? <Words key={i} text={c.text} /> : <CellView key={`${generation}:${c.id}`} cell={c} values={values} go={go} onChange={(x) => at(i, x)} onRemove={() => change({ ...book, cells: book.cells.filter((_, k) => k !== i) })} />))}
			<p><button type="button" onClick={add}>{t('add')}</button></p>
		</>
	);
}
