/* The SQL editor: CodeMirror, with the lake's tables and columns to complete and errors at their place. */
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { PostgreSQL, sql, type SQLNamespace } from '@codemirror/lang-sql';
import { HighlightStyle, bracketMatching, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'preact/hooks';
import { get, type Column, type Table } from '../api';

let known: Promise<SQLNamespace> | undefined;
/* Asked once: which tables there are, and their columns. */
export function namespace(): Promise<SQLNamespace> {
	known ??= (async () => {
		const tables = await get<Table[]>('/api/tables');
		const all: Record<string, Record<string, string[]>> = {};
		await Promise.all(
			tables.map(async ({ table }) => {
				const [schema = '', name = ''] = table.split('.');
				const columns = await get<Column[]>(`/api/tables/${table}`);
				(all[schema] ??= {})[name] = columns.map((c) => c.column);
			}),
		);
		return all;
	})();
	known.catch(() => (known = undefined));
	return known;
}

const colours = HighlightStyle.define([
	{ tag: tags.keyword, color: 'var(--accent)', fontWeight: '600' },
	{ tag: [tags.string, tags.special(tags.string)], color: 'var(--code-string)' },
	{ tag: [tags.number, tags.bool, tags.null], color: 'var(--code-number)' },
	{ tag: tags.comment, color: 'var(--quiet)', fontStyle: 'italic' },
	{ tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--code-name)' },
]);
const theme = EditorView.theme({
	'&': { color: 'var(--text)', backgroundColor: 'var(--field)', fontSize: '13px' },
	'.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)', padding: '8px 0' },
	'.cm-gutters': { backgroundColor: 'var(--field)', color: 'var(--quiet)', border: 'none' },
	'.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
	'.cm-cursor': { borderLeftColor: 'var(--text)' },
	'&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
	'.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { backgroundColor: 'var(--select)' },
	'.cm-tooltip': { backgroundColor: 'var(--panel)', border: '1px solid var(--line)', color: 'var(--text)' },
	'.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
});
const nonce = document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? '';

/* text is what it begins with: from then on the editor is the one that knows. Another text is another editor (its key). */
interface Props { text: string; label: string; onChange: (text: string) => void; onRun: (text: string) => void; error?: { line: number; column: number; text: string } | undefined }
export function Editor({ text, label, onChange, onRun, error }: Props) {
	const box = useRef<HTMLDivElement>(null);
	const view = useRef<EditorView | undefined>(undefined);
	const handlers = useRef({ onChange, onRun });
	handlers.current = { onChange, onRun };
	useEffect(() => {
		if (!box.current) return;
		const language = new Compartment();
		const editor = new EditorView({
			parent: box.current,
			state: EditorState.create({
				doc: text,
				extensions: [
					EditorView.cspNonce.of(nonce),
					EditorView.contentAttributes.of({ 'aria-label': label }),
					Prec.highest(keymap.of([{ key: 'Mod-Enter', run: (v) => (handlers.current.onRun(v.state.doc.toString()), true) }, { key: 'Tab', run: acceptCompletion }])),
					lineNumbers(), history(), drawSelection(), highlightActiveLine(), bracketMatching(), closeBrackets(), autocompletion(), EditorView.lineWrapping,
					keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
					placeholder('SELECT …'),
					language.of(sql({ dialect: PostgreSQL, upperCaseKeywords: true })),
					syntaxHighlighting(colours), theme,
					EditorView.updateListener.of((u) => u.docChanged && handlers.current.onChange(u.state.doc.toString())),
				],
			}),
		});
		view.current = editor;
		void namespace().then(
			(schema) => editor.dispatch({ effects: language.reconfigure(sql({ dialect: PostgreSQL, schema, upperCaseKeywords: true })) }),
			() => undefined,
		);
		return () => editor.destroy();
	}, []);
	useEffect(() => {
		const v = view.current;
		if (!v) return;
		const line = error?.line && error.line <= v.state.doc.lines ? v.state.doc.line(error.line) : undefined;
		const from = line ? Math.min(line.to, line.from + Math.max(0, (error?.column ?? 1) - 1)) : 0;
		const word = /^[\w.]+/.exec(v.state.sliceDoc(from, line?.to ?? from));
		v.dispatch(setDiagnostics(v.state, line && error ? [{ from, to: Math.max(from + 1, from + (word?.[0].length ?? 1)), severity: 'error', message: error.text }] : []));
	}, [error]);
	return <div class="editor" ref={box} />;
}
