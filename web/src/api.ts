/* Everything that is asked of the server. Numbers stay what the server wrote where a float would change them. */
export type Cell = string | number | boolean | null;
export type Row = Record<string, Cell>;

export class ApiError extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		text: string,
		readonly line = 0,
		readonly column = 0,
	) {
		super(text);
	}
}

/* A decimal or a number beyond 2^53 is kept as its text; where the browser does not tell that, as it was parsed. */
function exact(_key: string, value: unknown, context?: { source?: string }): unknown {
	if (typeof value === 'number' && !Number.isSafeInteger(value) && context?.source !== undefined) return context.source;
	return value;
}
export function parse(text: string): unknown {
	return (JSON.parse as (text: string, reviver: typeof exact) => unknown)(text, exact);
}

async function ask(path: string, init: RequestInit): Promise<Response> {
	let answer: Response;
	try {
		answer = await fetch(path, { credentials: 'same-origin', ...init });
	} catch (e) {
		if (e instanceof DOMException && e.name === 'AbortError') throw e;
		throw new ApiError(0, 'OFFLINE', '');
	}
	if (answer.ok) return answer;
	let error: { code?: string; text?: string; line?: number; column?: number } = {};
	try {
		error = ((await answer.json()) as { error?: typeof error }).error ?? {};
	} catch {
		/* no JSON: the status has to do */
	}
	throw new ApiError(answer.status, error.code ?? 'FAILED', error.text ?? answer.statusText, error.line, error.column);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
	return parse(await (await ask(path, { signal: signal ?? null })).text()) as T;
}
export async function post<T>(path: string): Promise<T> {
	return parse(await (await ask(path, { method: 'POST' })).text()) as T;
}
export async function text(path: string): Promise<string> {
	return (await ask(path, {})).text();
}

/* The rows of a statement as they come. */
export async function* rows(statement: string, signal?: AbortSignal): AsyncGenerator<Row[]> {
	const answer = await ask('/api/sql?format=ndjson', { method: 'POST', body: statement, signal: signal ?? null });
	const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	while (reader) {
		const { done, value } = await reader.read();
		const lines = (rest + (value ?? '')).split('\n');
		rest = done ? '' : (lines.pop() ?? '');
		const some = lines.filter((line) => line).map((line) => parse(line) as Row);
		if (some.length) yield some;
		if (done) return;
	}
}
export async function query(statement: string, signal?: AbortSignal): Promise<Row[]> {
	const all: Row[] = [];
	for await (const some of rows(statement, signal)) all.push(...some);
	return all;
}
/* The columns of a result without rows. */
export async function header(statement: string, signal?: AbortSignal): Promise<string[]> {
	const csv = await (await ask('/api/sql?format=csv', { method: 'POST', body: statement, signal: signal ?? null })).text();
	return [...(csv.split('\n')[0] ?? '').matchAll(/"((?:[^"]|"")*)"|([^,\r]+)/g)].map((m) => (m[1] ?? m[2] ?? '').replaceAll('""', '"'));
}
export async function download(statement: string, format: string): Promise<Blob> {
	return (await ask(`/api/sql?format=${format}`, { method: 'POST', body: statement })).blob();
}

/* -- what the routes answer -- */

export interface Table { table: string; rows: number; files: number; bytes: number; partitioned_by: string; location: string; doc: string }
export interface Column { column: string; type: string; partition: boolean; nulls: number | null; minimum: string | null; maximum: string | null; doc: string | null }
export interface Partition { partition: string; rows: number; bytes: number; version: number; key: string }
export interface Job { job: string; trigger: string; writes: string; sound: boolean; from: string; doc: string }
export interface JobNode { id: string; type: string; inputs: string[]; summary: string; columns: { name: string; type: string }[] }
export interface JobGraph { job: string; triggers: string[]; nodes: JobNode[] }
export interface Run { run: string; kind: string; name: string; state: string; started: string; took_us: number | null; error_code: string | null; error: string | null }
export interface RunDetail { run: string; kind: string; name: string; state: string; started_us: number; ended_us: number | null; error: string | null; steps: { step: string; took_us: number; rows: number; files: number; bytes: number }[] }
export interface Log { at: string; level: string; role: string; event: string; object: string | null; text: string }
export interface Stream { stream: string; last_seq: number; delivered_seq: number; lag_records: number; lag_seconds: number; last_record_at: string | null; spool_bytes: number; spool_limit: number; gaps: number; failed: boolean; last_error: string | null }
export interface Alarm { alarm: string; kind: string; state: string; since: string | null; text: string }
export interface Doctor { check: string; severity: string; what: string; mend: string | null }
export interface Backup { to: string; live: number; copied: number; waiting: number; dead: number; copies: number; copied_bytes: number; last_copy: string | null }
export interface Next { schedule: string; slot: string; planned: string; due: string }
