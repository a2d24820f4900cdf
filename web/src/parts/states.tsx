/* The states that everything asked for can be in, and small pieces of text. */
import type { ComponentChildren } from 'preact';
import type { Asked } from '../hooks';
import { t, word as said } from '../i18n';

/* `words` between backticks as code. */
export function Code({ text }: { text: string }) {
	return <>{text.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</>;
}

export function Failure({ error, again }: { error: { status: number; message: string }; again?: () => void }) {
	const what = error.status === 401 ? t('token') : error.status === 0 ? t('offline') : error.message;
	return (
		<div class="failure" role="alert">
			<p><Code text={what} /></p>
			{again && <button type="button" onClick={again}>{t('retry')}</button>}
		</div>
	);
}

export function States<T>({ asked, children, empty }: { asked: Asked<T>; children: (data: T) => ComponentChildren; empty?: (data: T) => boolean }) {
	const { data, error, stale, again } = asked;
	if (data === undefined) return error ? <Failure error={error} again={again} /> : <p class="quiet" role="status">{t('loading')}</p>;
	return (
		<>
			{stale && <p class="quiet" role="status">{t('stale')}</p>}
			{empty?.(data) ? <p class="quiet">{t('empty')}</p> : children(data)}
		</>
	);
}

const tones: Record<string, string> = { ok: 'good', alarm: 'bad', succeeded: 'good', warning: 'warn', error: 'bad', failed: 'bad', firing: 'bad', wrong: 'bad', running: 'live', queued: 'live', note: 'calm' };
export function Badge({ word }: { word: string }) {
	const marks: Record<string, string> = { good: '✓', bad: '✕', warn: '!', live: '…', calm: '·' };
	const tone = tones[word] ?? 'calm';
	return <span class={`badge ${tone}`}><span aria-hidden="true">{marks[tone]}</span> {said(word)}</span>;
}

export interface ListColumn<T> { name: string; cell: (row: T) => ComponentChildren; number?: boolean }
export function List<T>({ label, columns, rows }: { label: string; columns: ListColumn<T>[]; rows: T[] }) {
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label={label}>
			<table class="list">
				<thead>
					<tr>{columns.map((c) => <th key={c.name} scope="col" class={c.number ? 'number' : ''}>{c.name}</th>)}</tr>
				</thead>
				<tbody>
					{rows.map((row, i) => (
						<tr key={i}>{columns.map((c) => <td key={c.name} class={c.number ? 'number' : ''}>{c.cell(row)}</td>)}</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}
