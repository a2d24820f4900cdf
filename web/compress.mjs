/* What is sent is compressed once, here, and not by the server: each asset becomes name.br and name.gz. index.html stays as it
 * is, for its nonce. */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const folder = new URL('dist/assets/', import.meta.url);
for (const name of readdirSync(folder)) {
	const path = new URL(name, folder);
	const bytes = readFileSync(path);
	writeFileSync(new URL(`${name}.br`, folder), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
	writeFileSync(new URL(`${name}.gz`, folder), gzipSync(bytes, { level: 9 }));
	rmSync(path);
}
