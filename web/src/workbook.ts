/* Workbooks as text: Markdown whose ```sql blocks are cells. What is read is written again as it was, so they diff well.
 *
 *     title: IBOV
 *     param: index = IBOV
 *
 *     Some words.
 *
 *     ```sql id=composition chart=bar x=action y=participation title="By stock"
 *     SELECT ...
 *     ```
 */
export const kinds = ['table', 'bar', 'line', 'heat', 'candles'] as const;
export type Kind = (typeof kinds)[number];

export interface SqlCell { type: 'sql'; id: string; title: string; kind: Kind; x: string; y: string[]; statement: string }
export interface TextCell { type: 'text'; text: string }
export type WorkbookCell = SqlCell | TextCell;
export interface Book { title: string; params: [string, string][]; cells: WorkbookCell[] }

function words(info: string): Record<string, string> {
	const all: Record<string, string> = {};
	for (const m of info.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)) all[m[1] ?? ''] = m[2] !== undefined ? m[2].replaceAll(/\\(.)/g, '$1') : (m[3] ?? '');
	return all;
}

export function parseBook(text: string): Book {
	const book: Book = { title: '', params: [], cells: [] };
	const lines = text.replaceAll('\r\n', '\n').split('\n');
	let i = 0;
	for (; i < lines.length; i++) {
		const m = /^(title|param):\s*(.*)$/.exec(lines[i] ?? '');
		if (!m) break;
		if (m[1] === 'title') book.title = (m[2] ?? '').trim();
		else {
			const [name = '', ...rest] = (m[2] ?? '').split('=');
			book.params.push([name.trim(), rest.join('=').trim()]);
		}
	}
	let prose: string[] = [];
	const flush = (): void => {
		const all = prose.join('\n').trim();
		if (all) book.cells.push({ type: 'text', text: all });
		prose = [];
	};
	for (; i < lines.length; i++) {
		const fence = /^```sql\b(.*)$/.exec(lines[i] ?? '');
		if (!fence) {
			prose.push(lines[i] ?? '');
			continue;
		}
		flush();
		const body: string[] = [];
		while (++i < lines.length && !/^```\s*$/.test(lines[i] ?? '')) body.push(lines[i] ?? '');
		const w = words(fence[1] ?? '');
		book.cells.push({
			type: 'sql',
			id: w['id'] ?? `cell${book.cells.length + 1}`,
			title: w['title'] ?? '',
			kind: kinds.find((k) => k === w['chart']) ?? 'table',
			x: w['x'] ?? '',
			y: w['y'] ? w['y'].split(',') : [],
			statement: body.join('\n'),
		});
	}
	flush();
	return book;
}

const quoted = (s: string): string => (/^[^\s"\\]+$/.test(s) ? s : `"${s.replaceAll(/(["\\])/g, '\\$1')}"`);
export function printBook(book: Book): string {
	const head = [`title: ${book.title}`, ...book.params.map(([name, v]) => `param: ${name} = ${v}`.trimEnd())];
	const cells = book.cells.map((c) => {
		if (c.type === 'text') return c.text;
		const info = [`id=${c.id}`, `chart=${c.kind}`, c.x && `x=${quoted(c.x)}`, c.y.length && `y=${quoted(c.y.join(','))}`, c.title && `title="${c.title.replaceAll(/(["\\])/g, '\\$1')}"`];
		return ['```sql ' + info.filter(Boolean).join(' '), c.statement, '```'].join('\n');
	});
	return [head.join('\n'), ...cells].join('\n\n') + '\n';
}

/* Which of the names stand in the statement as $name, outside texts, quoted names and comments; and the statement with their
 * values in these places, as texts of SQL. */
export function fill(statement: string, values: Record<string, string>): { text: string; used: string[] } {
	const used = new Set<string>();
	const text = statement.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$([A-Za-z_]\w*)/g, (whole, name?: string) => {
		if (name === undefined || !(name in values)) return whole;
		used.add(name);
		return `'${(values[name] ?? '').replaceAll("'", "''")}'`;
	});
	return { text, used: [...used] };
}

/* A cell in a link: its text, and nothing else. */
export function packCell(cell: SqlCell): string {
	const utf8 = new TextEncoder().encode(JSON.stringify([cell.title, cell.kind, cell.x, cell.y, cell.statement]));
	return btoa(String.fromCharCode(...utf8)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
export function unpackCell(packed: string): SqlCell | undefined {
	try {
		const binary = atob(packed.replaceAll('-', '+').replaceAll('_', '/'));
		const all: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
		if (!Array.isArray(all)) return undefined;
		const [title, kind, x, y, statement] = all as unknown[];
		if (typeof title !== 'string' || typeof x !== 'string' || typeof statement !== 'string' || !Array.isArray(y)) return undefined;
		return { type: 'sql', id: 'shared', title, kind: kinds.find((k) => k === kind) ?? 'table', x, y: y.filter((v): v is string => typeof v === 'string'), statement };
	} catch {
		return undefined;
	}
}
