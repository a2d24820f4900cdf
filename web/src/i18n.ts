/* Every text of the page, in both languages. A key that one of them lacks does not compile. */
const pt = {
	painel: 'Painel', workbook: 'Workbook', catalog: 'Catálogo', jobs: 'Jobs', runs: 'Execuções', bitcoin: 'Bitcoin', operations: 'Operações',
	views: 'Vistas', skip: 'Ir para o conteúdo', language: 'Idioma', theme: 'Tema', light: 'Claro', dark: 'Escuro', system: 'Do sistema',
	loading: 'Carregando…', empty: 'Nada aqui ainda.', retry: 'Tentar de novo', stale: 'Sem resposta do servidor; o que se vê é de antes.',
	offline: 'O servidor não responde. Ele ainda está rodando?', token: 'Abra o link que `pregao up` ou `pregao serve` imprimiu: ele traz o token.',
	sample: 'Dados de exemplo: o pregão de amostra que vem com o programa.', sampleMend: '`pregao fetch portfolio` busca o pregão de hoje na B3.',
	lastSession: 'Último pregão', nextRun: 'Próxima coleta', streamLag: 'Atraso do fluxo', queueDepth: 'Filas', deadLetters: 'mensagens mortas', alarms: 'Alarmes',
	allQuiet: 'Tudo em ordem', latestRuns: 'Últimas execuções', health: 'Saúde do lake', stocks: 'papéis', records: 'registros', none: 'nenhum', never: 'nunca',
	seconds: 's', waiting: 'em espera', largest: 'Maiores participações', see: 'ver', firing: 'disparado', ok: 'em ordem', note: 'nota', wrong: 'errado',
	run: 'Executar', cancel: 'Cancelar', runAll: 'Executar tudo', rowsSoFar: 'linhas', took: 'em', chart: 'Gráfico', table: 'Tabela', bar: 'Barras', line: 'Linhas', heat: 'Mapa de calor',
	candles: 'Candles', horizontal: 'Eixo x', vertical: 'Valores', add: 'Nova célula', remove: 'Remover', share: 'Compartilhar', copied: 'Link copiado (sem o token)', saveAs: 'Salvar',
	reset: 'Voltar ao original', resetAsk: 'Descartar as suas mudanças neste workbook?', statement: 'Instrução SQL', result: 'Resultado', cell: 'Célula', title: 'Título', edit: 'Editar', hide: 'Fechar editor', moreRows: 'só as primeiras linhas são mostradas',
	index: 'Índice', session: 'Pregão', previous: 'Comparar com', newest: 'o mais recente', source: 'Arquivo', cancelled: 'Cancelado.', noRows: 'Sem linhas.',
	searchColumn: 'Procurar tabela ou coluna', columns: 'Colunas', partitions: 'Partições', rows: 'Linhas', files: 'Arquivos', bytes: 'Bytes', type: 'Tipo', nulls: 'Nulos', minimum: 'Mínimo', maximum: 'Máximo', meaning: 'Significado', name: 'Nome', query: 'Consultar', location: 'Lugar', partitioned: 'partição',
	graph: 'Grafo', node: 'Nó', writes: 'grava', triggeredBy: 'disparado por', preview: 'Amostra', script: 'Script Glue', spark: 'PySpark', glueNodes: 'Nós do Glue', sql: 'SQL', runJob: 'Executar job', started: 'Começou', state: 'Estado', kind: 'Espécie', steps: 'Etapas', logs: 'Registros', again: 'Executar de novo', error: 'Erro', chooseRun: 'Escolha uma execução.', chooseNode: 'Escolha um nó do grafo.', failedOnly: 'Só as que falharam', jobStarted: 'Execução concluída:',
	at: 'Às', change: 'Variação', gaps: 'Lacunas', reason: 'Motivo', noTicks: 'Nenhum preço ainda.', noTicksMend: '`pregao fetch bitcoin --follow`, ou `pregao up`, começa a coletar.', interval: 'Intervalo', pair: 'Par', up: 'alta', down: 'queda', flat: 'estável', credit: 'Gráficos: Apache ECharts',
	queues: 'Filas', redrive: 'Reenviar mortas', quarantine: 'Quarentena', replay: 'Tentar de novo', backup: 'Backup', schedules: 'Agendamentos', runNow: 'Executar agora', history: 'Histórico', check: 'Verificação', finding: 'Achado', mend: 'Como resolver', done: 'Feito.', copies: 'Cópias', lastCopy: 'Última cópia', since: 'Desde', action: 'Ação',
};
export type Key = keyof typeof pt;
const en: Record<Key, string> = {
	painel: 'Overview', workbook: 'Workbook', catalog: 'Catalog', jobs: 'Jobs', runs: 'Runs', bitcoin: 'Bitcoin', operations: 'Operations',
	views: 'Views', skip: 'Skip to content', language: 'Language', theme: 'Theme', light: 'Light', dark: 'Dark', system: 'System',
	loading: 'Loading…', empty: 'Nothing here yet.', retry: 'Try again', stale: 'No answer from the server; what you see is from before.',
	offline: 'The server does not answer. Is it still running?', token: 'Open the link that `pregao up` or `pregao serve` printed: it brings the token.',
	sample: 'Sample data: the session that comes with the program.', sampleMend: '`pregao fetch portfolio` brings today’s session from B3.',
	lastSession: 'Last session', nextRun: 'Next fetch', streamLag: 'Stream lag', queueDepth: 'Queues', deadLetters: 'dead letters', alarms: 'Alarms',
	allQuiet: 'All is well', latestRuns: 'Latest runs', health: 'Health of the lake', stocks: 'papers', records: 'records', none: 'none', never: 'never',
	seconds: 's', waiting: 'waiting', largest: 'Largest shares', see: 'see', firing: 'firing', ok: 'ok', note: 'note', wrong: 'wrong',
	run: 'Run', cancel: 'Cancel', runAll: 'Run all', rowsSoFar: 'rows', took: 'in', chart: 'Chart', table: 'Table', bar: 'Bars', line: 'Lines', heat: 'Heat map',
	candles: 'Candles', horizontal: 'x axis', vertical: 'Values', add: 'New cell', remove: 'Remove', share: 'Share', copied: 'Link copied (without the token)', saveAs: 'Save',
	reset: 'Back to the original', resetAsk: 'Discard your changes to this workbook?', statement: 'SQL statement', result: 'Result', cell: 'Cell', title: 'Title', edit: 'Edit', hide: 'Close editor', moreRows: 'only the first rows are shown',
	index: 'Index', session: 'Session', previous: 'Compare with', newest: 'the newest', source: 'File', cancelled: 'Cancelled.', noRows: 'No rows.',
	searchColumn: 'Find a table or column', columns: 'Columns', partitions: 'Partitions', rows: 'Rows', files: 'Files', bytes: 'Bytes', type: 'Type', nulls: 'Nulls', minimum: 'Minimum', maximum: 'Maximum', meaning: 'Meaning', name: 'Name', query: 'Query', location: 'Place', partitioned: 'partition',
	graph: 'Graph', node: 'Node', writes: 'writes', triggeredBy: 'triggered by', preview: 'Sample', script: 'Glue script', spark: 'PySpark', glueNodes: 'Glue nodes', sql: 'SQL', runJob: 'Run job', started: 'Began', state: 'State', kind: 'Kind', steps: 'Steps', logs: 'Logs', again: 'Run again', error: 'Error', chooseRun: 'Choose a run.', chooseNode: 'Choose a node of the graph.', failedOnly: 'Failed ones only', jobStarted: 'Run done:',
	at: 'At', change: 'Change', gaps: 'Gaps', reason: 'Reason', noTicks: 'No price yet.', noTicksMend: '`pregao fetch bitcoin --follow`, or `pregao up`, begins to collect.', interval: 'Interval', pair: 'Pair', up: 'up', down: 'down', flat: 'unchanged', credit: 'Charts: Apache ECharts',
	queues: 'Queues', redrive: 'Send dead ones again', quarantine: 'Quarantine', replay: 'Try again', backup: 'Backup', schedules: 'Schedules', runNow: 'Run now', history: 'History', check: 'Check', finding: 'Finding', mend: 'How to mend it', done: 'Done.', copies: 'Copies', lastCopy: 'Last copy', since: 'Since', action: 'Action',
};
const dictionaries = { pt, en };

/* Words of the program's own answers, which are never translated there. */
const words: Record<string, string> = { succeeded: 'concluída', failed: 'falhou', running: 'em curso', queued: 'na fila', cancelled: 'cancelada', alarm: 'alarme', error: 'erro', warning: 'aviso', note: 'nota', info: 'informação', debug: 'detalhe', job: 'job', pass: 'passada' };
export const word = (w: string): string => (current === 'pt' ? (words[w] ?? w) : w);
export type Language = keyof typeof dictionaries;

let current: Language = localStorage.getItem('language') === 'en' ? 'en' : 'pt';
export const language = (): Language => current;
export function setLanguage(l: Language): void {
	current = l;
	localStorage.setItem('language', l);
	document.documentElement.lang = l === 'pt' ? 'pt-BR' : 'en';
}
setLanguage(current);
export const t = (key: Key): string => dictionaries[current][key];

const locale = (): string => (current === 'pt' ? 'pt-BR' : 'en');
/* A number in the reader's form. A text is a decimal with all its digits: none is lost. */
export function number(value: number | string): string {
	if (typeof value === 'number') return new Intl.NumberFormat(locale(), { maximumFractionDigits: 6 }).format(value);
	const m = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value);
	if (!m) return value;
	const whole = new Intl.NumberFormat(locale()).format(BigInt(m[2] ?? '0'));
	return `${m[1] ?? ''}${whole}${m[3] ? (current === 'pt' ? ',' : '.') + m[3] : ''}`;
}
export function bytes(n: number): string {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;
	while (n >= 1024 && i < units.length - 1) {
		n /= 1024;
		i++;
	}
	return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: i ? 1 : 0 }).format(n)} ${units[i] ?? ''}`;
}
export function date(text: string): string {
	const d = new Date(`${text}T12:00:00Z`);
	return Number.isNaN(d.getTime()) ? text : new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeZone: 'UTC' }).format(d);
}
export function time(text: string | null): string {
	if (!text) return t('never');
	const d = new Date(text);
	return Number.isNaN(d.getTime()) ? text : new Intl.DateTimeFormat(locale(), { dateStyle: 'short', timeStyle: 'medium', timeZone: 'America/Sao_Paulo' }).format(d);
}
export function duration(us: number | null): string {
	if (us === null) return '';
	return us < 1_000_000 ? `${number(Math.round(us / 1000))} ms` : `${number(Math.round(us / 100_000) / 10)} s`;
}
