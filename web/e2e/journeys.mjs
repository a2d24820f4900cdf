/* What a person does with the pages, step by step. Each journey is a function; what fails is named by it.
 * usage: node journeys.mjs CHROMIUM LINK */
import { chromium } from 'playwright-core';

const [, , executablePath, link] = process.argv;
const origin = new URL(link).origin;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });

async function open(permissions = []) {
	const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, reducedMotion: 'reduce', permissions });
	const page = await context.newPage();
	page.setDefaultTimeout(60_000);
	await page.goto(link);
	return page;
}

const journeys = {
	async 'first start to first chart'() {
		const page = await open();
		await page.getByRole('link', { name: 'Workbook' }).click();
		await page.locator('.cell svg').first().waitFor();
		await page.getByLabel('Índice').selectOption('SMLL');
		await page.waitForFunction(() => document.querySelector('.cell [role=status]')?.textContent?.includes('25'));
		return page;
	},
	async 'write SQL, mend an error at its place, chart it, share it'() {
		const page = await open(['clipboard-read', 'clipboard-write']);
		await page.goto(`${origin}/#/workbook`);
		await page.getByRole('button', { name: 'Nova célula' }).click();
		const cell = page.locator('.cell').last();
		const editor = cell.locator('.cm-content');
		await editor.click();
		await page.keyboard.type('SELECT actio, sum(participation) AS p FROM refined.portf');
		await page.locator('.cm-tooltip-autocomplete li[aria-selected]').waitFor();
		await page.waitForTimeout(300); // what is taken in the moment that it appears is not meant
		await page.keyboard.press('Tab');
		await cell.getByText('refined.portfolio').waitFor();
		await page.keyboard.type(' GROUP BY ALL ORDER BY p DESC LIMIT 5');
		await page.keyboard.press('Escape');
		await page.keyboard.press('Control+Enter');
		await cell.locator('.cm-lintRange-error').waitFor();
		if ((await cell.locator('.cm-lintRange-error').textContent()) !== 'actio') throw new Error('the error is not at its place');
		await cell.getByRole('alert').filter({ hasText: 'actio' }).waitFor();
		await editor.click();
		await page.keyboard.press('Control+A');
		await page.keyboard.type('SELECT action, sum(participation) AS p FROM refined.portfolio GROUP BY ALL ORDER BY p DESC LIMIT 5');
		await page.keyboard.press('Escape');
		await page.keyboard.press('Control+Enter');
		await cell.getByRole('gridcell').first().waitFor();
		await cell.getByLabel('Gráfico').selectOption('bar');
		await cell.locator('.chart svg').waitFor();
		await cell.getByRole('button', { name: 'Compartilhar' }).click();
		await cell.getByText('Link copiado').waitFor();
		const shared = await page.evaluate(() => navigator.clipboard.readText());
		if (shared.includes(new URL(link).searchParams.get('token'))) throw new Error('the shared link carries the token');
		const other = await open();
		await other.goto(shared);
		await other.locator('.cell .chart svg').first().waitFor();
		await other.context().close();
		return page;
	},
	async 'the grid by keyboard'() {
		const page = await open();
		await page.goto(`${origin}/#/workbook/table/raw.portfolio`);
		const grid = page.getByRole('grid').first();
		await grid.getByRole('gridcell').first().waitFor();
		await grid.focus();
		for (const key of ['ArrowRight', 'PageDown', 'PageDown', 'End']) await page.keyboard.press(key);
		await page.waitForFunction(() => {
			const cell = document.getElementById(document.activeElement?.getAttribute('aria-activedescendant') ?? '');
			return Number(cell?.parentElement?.getAttribute('aria-rowindex')) > 20 && Number(cell?.getAttribute('aria-colindex')) > 5;
		});
		return page;
	},
	async 'a job by keyboard alone: choose a node, see its rows, run it, find the run'() {
		const page = await open();
		await page.goto(`${origin}/#/jobs/portfolio`);
		await page.getByRole('button', { name: 'target: refined' }).focus();
		await page.keyboard.press('ArrowLeft');
		await page.keyboard.press('ArrowLeft');
		await page.getByRole('heading', { name: 'dated' }).waitFor();
		await page.getByRole('grid').getByRole('gridcell').first().waitFor();
		await page.getByRole('button', { name: 'Executar job' }).focus();
		await page.keyboard.press('Enter');
		await page.getByText('Execução concluída').waitFor();
		await page.goto(`${origin}/#/runs`);
		await page.getByRole('link', { name: 'portfolio' }).first().focus();
		await page.keyboard.press('Enter');
		await page.getByRole('heading', { name: 'Etapas' }).waitFor();
		return page;
	},
	async 'something in quarantine is tried again'() {
		const page = await open();
		await page.goto(`${origin}/#/operations`);
		const row = page.getByRole('region', { name: 'Quarentena' });
		await row.getByRole('button', { name: 'Tentar de novo' }).click();
		await row.getByRole('status').filter({ hasText: /\S/ }).waitFor();
		return page;
	},
	async 'without the token nothing is shown'() {
		const page = await (await browser.newContext()).newPage();
		await page.goto(`${origin}/#/catalog`);
		await page.getByRole('alert').filter({ hasText: 'token' }).waitFor();
		return page;
	},
};

let failed = 0, step = '';
for (const [name, go] of Object.entries(journeys)) {
	try {
		const page = await Promise.race([go(), new Promise((_, no) => setTimeout(() => no(new Error(`takes longer than a minute, at: ${step}`)), 60_000))]);
		await page.context().close();
		console.log(`ok ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${name}: ${e.message}`);
		const page = browser.contexts().at(-1)?.pages()[0];
		if (page && process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/failed-${failed}.png` });
	}
}
await browser.close();
process.exit(failed ? 1 : 0);
