/* What components share: asking with its states, the address, a clock. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './api';

export interface Asked<T> { data?: T; error?: ApiError; stale: boolean; again: () => void }

/* Asks at once and then every `every` ms while the page is seen. What was there stays when a later answer fails. */
export function useAsked<T>(ask: (signal: AbortSignal) => Promise<T>, key: string, every = 0): Asked<T> {
	const [state, set] = useState<{ key: string; data?: T; error?: ApiError }>({ key });
	const [count, setCount] = useState(0);
	const latest = useRef(ask);
	latest.current = ask;
	useEffect(() => {
		const abort = new AbortController();
		let timer = 0;
		const go = async (): Promise<void> => {
			if (!document.hidden || count === 0) {
				try {
					const data = await latest.current(abort.signal);
					if (!abort.signal.aborted) set({ key, data });
				} catch (e) {
					if (abort.signal.aborted) return;
					const error = e instanceof ApiError ? e : new ApiError(0, 'FAILED', String(e));
					set((old) => ({ key, error, ...(old.key === key && old.data !== undefined ? { data: old.data } : {}) }));
				}
			}
			if (every && !abort.signal.aborted) timer = window.setTimeout(() => void go(), every);
		};
		void go();
		return () => {
			abort.abort();
			window.clearTimeout(timer);
		};
	}, [key, every, count]);
	const again = useCallback(() => setCount((n) => n + 1), []);
	const mine = state.key === key ? state : { key };
	return { ...mine, stale: mine.error !== undefined && mine.data !== undefined, again };
}

export interface Place { view: string; rest: string[]; search: URLSearchParams }
export function placeOf(hash: string): Place {
	const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?');
	const [view = '', ...rest] = path.split('/').map(decodeURIComponent);
	return { view: view || 'painel', rest, search: new URLSearchParams(search) };
}
export function usePlace(): Place {
	const [hash, set] = useState(location.hash);
	useEffect(() => {
		const changed = (): void => set(location.hash);
		addEventListener('hashchange', changed);
		return () => removeEventListener('hashchange', changed);
	}, []);
	return placeOf(hash);
}
export function link(view: string, ...rest: string[]): string {
	return `#/${[view, ...rest].map(encodeURIComponent).join('/')}`;
}
