/* Tables, their columns and partitions. */
import { useState } from 'preact/hooks';
import type { SQLNamespace } from '@codemirror/lang-sql';
import { get, type Column, type Partition, type Table } from '../api';
import { link, useAsked, usePlace } from '../hooks';
import { bytes, number, t } from '../i18n';
import { namespace } from '../parts/editor';
import { List, States } from '../parts/states';

const share = (nulls: number | null, rows: number): string => (nulls === null || nulls < 0 || !rows ? '' : `${number(Math.round((1000 * nulls) / rows) / 10)} %`);

function TableView({ table }: { table: Table }) {
	const columns = useAsked((s) => get<Column[]>(`/api/tables/${table.table}`, s), table.table);
	const partitions = useAsked((s) => get<Partition[]>(`/api/tables/${table.table}/partitions?limit=200`, s), table.table);
	return (
		<>
			<div class="bar">
				<h2>{table.table}</h2>
				<a class="button" href={link('workbook', 'table', table.table)}>{t('query')}</a>
			</div>
			<p>{table.doc}</p>
			<p class="quiet">{number(table.rows)} {t('rows').toLowerCase()} · {number(table.files)} {t('files').toLowerCase()} · {bytes(table.bytes)} · <code>{table.location}</code></p>
			<h3>{t('columns')}</h3>
			<States asked={columns}>
				{(d) => (
					<List label={t('columns')} rows={d} columns={[
						{ name: t('name'), cell: (c) => <><code>{c.column}</code>{c.partition && <span class="badge calm">{t('partitioned')}</span>}</> },
						{ name: t('type'), cell: (c) => c.type },
						{ name: t('nulls'), number: true, cell: (c) => share(c.nulls, table.rows) },
						{ name: t('minimum'), cell: (c) => c.minimum },
						{ name: t('maximum'), cell: (c) => c.maximum },
						{ name: t('meaning'), cell: (c) => c.doc },
					]} />
				)}
			</States>
			<h3>{t('partitions')}</h3>
			<States asked={partitions} empty={(d) => !d.length}>
				{(d) => (
					<List label={t('partitions')} rows={d} columns={[
						{ name: t('name'), cell: (p) => <code>{p.partition}</code> },
						{ name: t('rows'), number: true, cell: (p) => number(p.rows) },
						{ name: t('bytes'), number: true, cell: (p) => bytes(p.bytes) },
					]} />
				)}
			</States>
		</>
	);
}

export function Catalog() {
	const { rest } = usePlace();
	const [wanted, want] = useState('');
	const tables = useAsked((s) => get<Table[]>('/api/tables', s), 'tables', 30_000);
	const names = useAsked<SQLNamespace>(() => namespace(), 'names');
	const columnsOf = (table: string): string[] => {
		const [schema = '', name = ''] = table.split('.');
		return (names.data as Record<string, Record<string, string[]>> | undefined)?.[schema]?.[name] ?? [];
	};
	return (
		<>
			<h1>{t('catalog')}</h1>
			<States asked={tables} empty={(d) => !d.length}>
				{(d) => {
					const word = wanted.trim().toLowerCase();
					const found = d.filter((x) => !word || x.table.includes(word) || columnsOf(x.table).some((c) => c.includes(word)));
					const table = d.find((x) => x.table === rest[0]) ?? found.find((x) => x.rows) ?? found[0];
					return (
						<div class="split">
							<aside class="panel">
								<label class="wide">{t('searchColumn')} <input type="search" value={wanted} onInput={(e) => want(e.currentTarget.value)} /></label>
								<ul class="plain pick">
									{found.map((x) => (
										<li key={x.table}>
											<a href={link('catalog', x.table)} aria-current={x === table ? 'true' : undefined}>{x.table} <span class="quiet">{number(x.rows)}</span></a>
											{word && columnsOf(x.table).filter((c) => c.includes(word)).map((c) => <code key={c}>{c}</code>)}
										</li>
									))}
								</ul>
							</aside>
							<section class="panel">{table ? <TableView key={table.table} table={table} /> : <p class="quiet">{t('empty')}</p>}</section>
						</div>
					);
				}}
			</States>
		</>
	);
}
