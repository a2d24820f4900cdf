/* Every view, in both themes and languages and narrow, in a real browser: no violation that axe finds, no word on the console,
 * no request that leaves the origin, and a picture of each.
 * usage: node pages.mjs CHROMIUM LINK FOLDER */
import axe from 'axe-core';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [, , executablePath, link, folder] = process.argv;
const origin = new URL(link).origin;
const views = ['painel', 'workbook', 'catalog', 'jobs', 'runs', 'bitcoin', 'operations'];
const problems = [];
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
for (const [theme, language, width] of [['light', 'pt', 1360], ['dark', 'en', 1360], ['light', 'en', 360], ['dark', 'pt', 360]]) {
	const context = await browser.newContext({ viewport: { width, height: 900 }, reducedMotion: 'reduce', colorScheme: theme });
	const page = await context.newPage();
	const say = (what) => problems.push(`${theme} ${language} ${width} ${page.url().replace(/.*#/, '')}: ${what}`);
	page.on('console', (m) => ['error', 'warning'].includes(m.type()) && say(`console: ${m.text()}`));
	page.on('response', async (r) => r.status() >= 400 && say(`${r.status()} ${r.url()} ${r.request().postData() ?? ''} ${await r.text().catch(() => '')}`));
	page.on('pageerror', (e) => say(`error: ${e.message}`));
	page.on('request', (r) => !r.url().startsWith(origin) && !/^(data|blob):/.test(r.url()) && say(`left the origin: ${r.url()}`));
	await page.goto(link);
	await page.evaluate(([t, l]) => (localStorage.setItem('theme', t), localStorage.setItem('language', l)), [theme, language]);
	await page.reload();
	if (page.url().includes('token')) say('the token stays in the address');
	for (const view of views) {
		await page.goto(`${origin}/#/${view}`);
		await page.waitForSelector('h1');
		await page.waitForTimeout(400);
		await page.waitForFunction(() => ![...document.querySelectorAll('[role=status]')].some((e) => /Carregando|Loading|…/.test(e.textContent ?? '')), null, { timeout: 20_000 }).catch(() => say('goes on loading'));
		await page.waitForTimeout(500);
		await page.screenshot({ path: `${folder}/${view}-${theme}-${width}.png`, fullPage: false });
		const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
		if (wide > 0) say(`is ${wide} pixels too wide`);
		await page.evaluate(axe.source);
		const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
		for (const v of found.violations) say(`axe ${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(' | ')}`);
	}
	await context.close();
}
await browser.close();
for (const p of new Set(problems)) console.log(p);
process.exit(problems.length ? 1 : 0);
