/* Rows of a result: only those that are seen exist, so the grid has the focus, and tells which cell is meant. Arrow keys, Home, End,
 * PageUp and PageDown move it; Ctrl+C copies it. */
import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from '@tanstack/virtual-core';
import { useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { Cell, Row } from '../api';
import { number } from '../i18n';

const HEIGHT = 28;

function shown(value: Cell | undefined, numeric: boolean): string {
	if (value === null || value === undefined) return '';
	if (typeof value === 'number' || (numeric && typeof value === 'string')) return number(value);
	return String(value);
}
const isNumber = (v: Cell | undefined): boolean => typeof v === 'number' || (typeof v === 'string' && /^-?\d+\.\d+$/.test(v));

export function Grid({ columns, rows, label }: { columns: string[]; rows: Row[]; label: string }) {
	const box = useRef<HTMLDivElement>(null);
	const id = useId();
	const [at, setAt] = useState<[number, number]>([0, 0]);
	const [, draw] = useReducer((n: number) => n + 1, 0);
	const numeric = useMemo(() => columns.map((c) => rows.slice(0, 50).some((r) => isNumber(r[c])) && rows.slice(0, 50).every((r) => r[c] === null || isNumber(r[c]))), [columns, rows]);
	const widths = useMemo(
		() => columns.map((c, i) => Math.min(42, Math.max(c.length, ...rows.slice(0, 50).map((r) => shown(r[c], numeric[i] ?? false).length)) + 3)),
		[columns, rows, numeric],
	);
	const options = {
		count: rows.length,
		getScrollElement: () => box.current,
		estimateSize: () => HEIGHT,
		overscan: 12,
		scrollPaddingStart: HEIGHT,
		scrollToFn: elementScroll,
		observeElementRect,
		observeElementOffset,
		onChange: draw,
	};
	const virtual = useRef<Virtualizer<HTMLDivElement, Element> | undefined>(undefined);
	virtual.current ??= new Virtualizer<HTMLDivElement, Element>(options);
	const v = virtual.current;
	v.setOptions(options);
	useEffect(() => v._didMount(), [v]);
	useLayoutEffect(() => v._willUpdate());
	const template = widths.map((w) => `${w}ch`).join(' ');

	function move(e: KeyboardEvent): void {
		const [row, column] = at;
		const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / HEIGHT) - 2);
		const to: Record<string, [number, number]> = {
			ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
			PageUp: [row - page, column], PageDown: [row + page, column],
			Home: e.ctrlKey ? [0, 0] : [row, 0], End: e.ctrlKey ? [rows.length - 1, columns.length - 1] : [row, columns.length - 1],
		};
		const next = to[e.key];
		if (next) {
			e.preventDefault();
			const r = Math.max(0, Math.min(rows.length - 1, next[0]));
			const c = Math.max(0, Math.min(columns.length - 1, next[1]));
			setAt([r, c]);
			v.scrollToIndex(r);
			box.current?.querySelector(`[aria-colindex='${c + 1}']`)?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
		} else if (e.key === 'c' && (e.ctrlKey || e.metaKey)) {
			const name = columns[column];
			if (name !== undefined) void navigator.clipboard.writeText(String(rows[row]?.[name] ?? ''));
		}
	}

	const items = v.getVirtualItems();
	const seen = items.some((item) => item.index === at[0]);
	return (
		<div class="grid" ref={box} role="grid" aria-label={label} aria-rowcount={rows.length + 1} aria-colcount={columns.length} tabIndex={0} aria-activedescendant={seen ? `${id}-${at[0]}-${at[1]}` : undefined} onKeyDown={move}>
			<div class="row head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
				{columns.map((c, i) => (
					<div key={c} role="columnheader" aria-colindex={i + 1} class={numeric[i] ? 'number' : ''}>{c}</div>
				))}
			</div>
			<div role="rowgroup" class="body" style={{ height: `${v.getTotalSize()}px` }}>
				{items.map((item) => (
					<div key={item.index} class="row" role="row" aria-rowindex={item.index + 2} style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}>
						{columns.map((c, i) => (
							<div
								key={c}
								role="gridcell"
								aria-colindex={i + 1}
								id={`${id}-${item.index}-${i}`}
								class={`${numeric[i] ? 'number' : ''} ${at[0] === item.index && at[1] === i ? 'at' : ''}`}
								aria-selected={at[0] === item.index && at[1] === i}
								onClick={() => setAt([item.index, i])}
							>
								{rows[item.index]?.[c] === null ? <span class="null">null</span> : shown(rows[item.index]?.[c], numeric[i] ?? false)}
							</div>
						))}
					</div>
				))}
			</div>
		</div>
	);
}
