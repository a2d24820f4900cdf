/* The frame around the seven views: navigation, language, theme. */
import { useEffect, useState } from 'preact/hooks';
import type { ComponentType } from 'preact';
import { query } from './api';
import { link, useAsked, usePlace } from './hooks';
import { language, setLanguage, t, type Key, type Language } from './i18n';
import { Code } from './parts/states';
import { Bitcoin } from './views/bitcoin';
import { Catalog } from './views/catalog';
import { Jobs } from './views/jobs';
import { Operations } from './views/operations';
import { Painel } from './views/painel';
import { Runs } from './views/runs';
import { Workbook } from './views/workbook';

const views: { key: Key; view: ComponentType; mark: string }[] = [
	{ key: 'painel', view: Painel, mark: '◎' },
	{ key: 'workbook', view: Workbook, mark: '▤' },
	{ key: 'catalog', view: Catalog, mark: '▦' },
	{ key: 'jobs', view: Jobs, mark: '⇉' },
	{ key: 'runs', view: Runs, mark: '▷' },
	{ key: 'bitcoin', view: Bitcoin, mark: 'B' },
	{ key: 'operations', view: Operations, mark: '⚙' },
];
const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

function useTheme(): [Theme, (t: Theme) => void] {
	const [theme, set] = useState<Theme>(() => themes.find((x) => x === localStorage.getItem('theme')) ?? 'system');
	useEffect(() => {
		localStorage.setItem('theme', theme);
		document.documentElement.dataset['theme'] = theme;
		dispatchEvent(new Event('themechange'));
	}, [theme]);
	return [theme, set];
}

function SampleNotice() {
	const { data } = useAsked(
		(signal) => query(`SELECT count(*) FILTER (source_sha256 <> '${__SAMPLE_SHA256__}') AS others, count(*) AS n FROM raw.portfolio`, signal),
		'sample',
		60_000,
	);
	const row = data?.[0];
	if (!row || row['n'] === 0 || row['others'] !== 0) return null;
	return (
		<p class="notice" role="note">
			<strong>{t('sample')}</strong> <Code text={t('sampleMend')} />
		</p>
	);
}

export function App() {
	const place = usePlace();
	const [theme, setTheme] = useTheme();
	const [, again] = useState(0);
	const here = views.find((v) => v.key === place.view) ?? views[0];
	useEffect(() => {
		if (here) document.title = `${t(here.key)} · pregao`;
	});
	if (!here) return null;
	const View = here.view;
	return (
		<div class="frame">
			<a class="skip" href="#content" onClick={(e) => (e.preventDefault(), document.getElementById('content')?.focus())}>
				{t('skip')}
			</a>
			<header class="side">
				<a class="brand" href="#/painel">pregao</a>
				<nav aria-label={t('views')}>
					{views.map((v) => (
						<a key={v.key} href={link(v.key)} aria-current={v.key === here.key ? 'page' : undefined}>
							<span class="mark" aria-hidden="true">{v.mark}</span>
							{t(v.key)}
						</a>
					))}
				</nav>
				<div class="settings">
					<label>
						<span>{t('language')}</span>
						<select value={language()} onChange={(e) => (setLanguage(e.currentTarget.value as Language), again((n) => n + 1))}>
							<option value="pt">Português</option>
							<option value="en">English</option>
						</select>
					</label>
					<label>
						<span>{t('theme')}</span>
						<select value={theme} onChange={(e) => setTheme(e.currentTarget.value as Theme)}>
							{themes.map((x) => (
								<option key={x} value={x}>{t(x)}</option>
							))}
						</select>
					</label>
				</div>
			</header>
			<main id="content" tabIndex={-1}>
				<SampleNotice />
				<View key={language()} />
			</main>
		</div>
	);
}
