import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fill, packCell, parseBook, printBook, unpackCell } from './workbook';

const shipped = readFileSync(new URL('../../workbooks/ibov.md', import.meta.url), 'utf8');

describe('workbooks', () => {
	it('come back as they were written', () => {
		expect(printBook(parseBook(shipped))).toBe(shipped);
	});
	it('have cells with charts, and words between', () => {
		const book = parseBook('title: A\nparam: index = IBOV\nparam: session =\n\n# Words\n\n```sql id=a chart=line x=d y=p,q title="a \\"b\\""\nSELECT 1\n```\n');
		expect(book.params).toEqual([['index', 'IBOV'], ['session', '']]);
		expect(book.cells[0]).toEqual({ type: 'text', text: '# Words' });
		expect(book.cells[1]).toEqual({ type: 'sql', id: 'a', title: 'a "b"', kind: 'line', x: 'd', y: ['p', 'q'], statement: 'SELECT 1' });
	});
	it('do not break on what nobody closed', () => {
		expect(parseBook('```sql id=a\nSELECT 1').cells).toHaveLength(1);
		expect(parseBook('').cells).toEqual([]);
	});
});

describe('parameters', () => {
	it('go where they are named, as texts', () => {
		expect(fill('SELECT $index, $index', { index: "O'X" })).toEqual({ text: "SELECT 'O''X', 'O''X'", used: ['index'] });
	});
	it('stay out of texts, names and comments', () => {
		const statement = `SELECT '$index', "$index" -- $index\n/* $index */, $other`;
		expect(fill(statement, { index: 'I' })).toEqual({ text: statement, used: [] });
	});
});

describe('links', () => {
	it('carry a cell whole, and nothing that is none', () => {
		const cell = { type: 'sql', id: 'shared', title: 'Ações β', kind: 'bar', x: 'a', y: ['b'], statement: "SELECT 'ç'" } as const;
		expect(unpackCell(packCell({ ...cell, y: [...cell.y] }))).toEqual(cell);
		for (const bad of ['', '%', 'e30', btoa('[1,2]'), btoa('"x"')]) expect(unpackCell(bad)).toBeUndefined();
	});
});
