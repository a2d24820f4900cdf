/* The build of the front end: web/dist, which scripts/embed takes into the program. */
import preact from '@preact/preset-vite';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const sample = readFileSync(new URL('../samples/IBOV-sample.csv', import.meta.url));

export default defineConfig({
	plugins: [preact()],
	define: { __SAMPLE_SHA256__: JSON.stringify(createHash('sha256').update(sample).digest('hex')) },
	build: { target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0, chunkSizeWarningLimit: 900 },
	server: { proxy: { '/api': 'http://127.0.0.1:8391' }, fs: { allow: ['..'] } },
});
