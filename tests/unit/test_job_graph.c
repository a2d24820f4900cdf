/* Graphs that are wrong, each with the exact message, and what is accepted although it looks
 * odd. */
#include "job_fixture.h"

#include "graph.h"
#include "json.h"

/* A small sound graph with every node type. Bad ones are made by replacing a piece of it. */
static const char sound_graph[] =
	"{\"job\": \"small\", \"doc\": \"d\", \"trigger\": \"raw.portfolio\", \"layout\": {\"zoom\": 1}, \"nodes\": [\n"
	"{\"id\": \"rows\", \"type\": \"source\", \"table\": \"raw.portfolio\", \"layout\": {\"x\": 1.5, \"y\": -2}},\n"
	"{\"id\": \"totals\", \"type\": \"source\", \"table\": \"raw.portfolio_total\"},\n"
	"{\"id\": \"schema\", \"type\": \"change-schema\", \"input\": \"rows\", \"rename\": {\"acao\": \"action\", \"tipo\": \"kind\"}, "
	"\"cast\": {\"part\": \"DECIMAL(38,3)\"}, \"drop\": [\"source_sha256\", \"setor\"]},\n"
	"{\"id\": \"big\", \"type\": \"filter\", \"input\": \"schema\", \"where\": \"qtd_teorica > 1000\"},\n"
	"{\"id\": \"small\", \"type\": \"filter\", \"input\": \"schema\", \"where\": \"qtd_teorica <= 1000\"},\n"
	"{\"id\": \"all\", \"type\": \"union\", \"inputs\": [\"big\", \"small\"]},\n"
	"{\"id\": \"sums\", \"type\": \"aggregate\", \"input\": \"all\", \"group\": [\"data_pregao\", \"index_code\", \"action\"], \"aggregates\": [\n"
	" {\"column\": \"quantity\", \"function\": \"sum\", \"of\": \"qtd_teorica\"},\n"
	" {\"column\": \"mean\", \"function\": \"avg\", \"of\": \"part\", \"type\": \"DECIMAL(9,4)\"}]},\n"
	"{\"id\": \"both\", \"type\": \"join\", \"left\": \"sums\", \"right\": \"totals\", \"kind\": \"inner\", \"on\": [\"data_pregao\", "
	"{\"left\": \"index_code\", \"right\": \"index_code\"}]},\n"
	"{\"id\": \"words\", \"type\": \"sql\", \"inputs\": [\"both\"], \"text\": {\"duckdb\": \"SELECT *, 1 AS one FROM both\"}, \"keeps\": [\"index_code\"],\n"
	" \"columns\": [{\"name\": \"data_pregao\", \"type\": \"DATE\"}, {\"name\": \"index_code\", \"type\": \"VARCHAR\"}, "
	"{\"name\": \"action\", \"type\": \"VARCHAR\"}, {\"name\": \"quantity\", \"type\": \"BIGINT\"}, {\"name\": \"mean\", \"type\": \"DECIMAL(9,4)\"}]},\n"
	"{\"id\": \"derived\", \"type\": \"derive\", \"input\": \"words\", \"columns\": [{\"column\": \"days\", \"expression\": "
	"\"days_between(data_pregao, as_of())\"}]},\n"
	"{\"id\": \"checked\", \"type\": \"quality\", \"input\": \"derived\", \"checks\": [{\"name\": \"positive\", \"holds\": \"quantity > 0\"}, "
	"{\"name\": \"some\", \"rows\": {\"min\": 1}}, {\"name\": \"once\", \"unique\": [\"action\", \"index_code\", \"data_pregao\"]}, "
	"{\"name\": \"filled\", \"not_null\": [\"action\"]}, {\"name\": \"whole\", \"sum\": {\"of\": \"quantity\", \"equals\": \"5\"}}]},\n"
	"{\"id\": \"out\", \"type\": \"target\", \"input\": \"checked\", \"table\": \"refined.small\", \"columns\": [{\"name\": \"quantity\", \"type\": "
	"\"BIGINT\"}, {\"name\": \"days\", \"type\": \"INTEGER\"}], \"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}, "
	"{\"name\": \"action\", \"type\": \"VARCHAR\"}], \"scope\": [\"index_code\"], \"compact\": {\"sort\": [\"action\", \"quantity\"]}}\n"
	"]}";

/* text with the first `from` replaced by `to`; the whole text when from is NULL. */
static char *edited(const char *text, const char *from, const char *to)
{
	struct buf out = {0};
	const char *at = from ? strstr(text, from) : text;
	if (!at)
		fail_msg("the graph has no %s", from);
	buf_add(&out, text, (size_t)(at - text));
	buf_str(&out, to);
	buf_str(&out, from ? at + strlen(from) : "");
	return buf_take(&out);
}

static const struct {
	const char *from, *to, *error;
} bad[] = {
	/* the document */
	{NULL, "", "job.json:1:1 (byte 0): not valid JSON: unexpected token near end of file"},
	{NULL, "[]", "job.json: a job is a JSON object"},
	{NULL, "null", "job.json: a job is a JSON object"},
	{NULL, "{}", "job.json: \"job\" is missing, expected a text"},
	{"\"nodes\"", "\"node\"", "job.json: unknown key \"node\"; did you mean \"nodes\"?"},
	{"\"trigger\"", "\"starts\"",
	 "job.json: unknown key \"starts\"; there are: job, doc, trigger, nodes, layout"},
	{"\"job\": \"small\"", "\"job\": 5", "job.json: \"job\" is not a text"},
	{"\"job\": \"small\"", "\"job\": \"Small\"",
	 "job.json: 'Small' cannot be the name of a job: small letters, digits and '_', at most 63, no digit first"},
	{"\"job\": \"small\"", "\"job\": \"../../x\"",
	 "job.json: '../../x' cannot be the name of a job: small letters, digits and '_', at most 63, no digit first"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": \"portfolio\"",
	 "job.json: 'portfolio' is no table name; they look like raw.portfolio"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": \"raw.quotes\"",
	 "job.json: the trigger raw.quotes is not the table of any source node"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": [\"raw.portfolio\", \"raw.quotes\"]",
	 "job.json: the trigger raw.quotes is not the table of any source node"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": [\"raw.portfolio\", \"portfolio\"]",
	 "job.json: 'portfolio' is no table name; they look like raw.portfolio"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": [\"raw.portfolio\", \"raw.portfolio\"]",
	 "job.json: \"trigger\" names 'raw.portfolio' twice"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": []", "job.json: \"trigger\" is empty"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": [5]",
	 "job.json: \"trigger\" is not a text or a list of texts"},
	{"\"trigger\": \"raw.portfolio\"", "\"trigger\": {}",
	 "job.json: \"trigger\" is not a text or a list of texts"},
	{NULL, "{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": []}",
	 "job.json: the job has no nodes"},
	{NULL, "{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": [7]}",
	 "job.json: \"nodes\" is not a list of objects"},
	/* nodes */
	{"\"id\": \"rows\", ", "", "job.json: node number 1: \"id\" is missing, expected a text"},
	{"\"id\": \"rows\"", "\"id\": \"my rows\"",
	 "job.json: node number 1: 'my rows' cannot be the id of a node: small letters, digits, '_' and '-', at most 63, no digit first"},
	{"\"id\": \"totals\"", "\"id\": \"rows\"",
	 "job.json: node rows: two nodes have this id, number 1 and number 2"},
	{"\"type\": \"source\", ", "", "job.json: node rows: \"type\" is missing, expected a text"},
	{"\"type\": \"filter\"", "\"type\": \"filtre\"",
	 "job.json: node big: there is no node type 'filtre'; did you mean 'filter'?"},
	{"\"type\": \"filter\"", "\"type\": \"lookup\"",
	 "job.json: node big: there is no node type 'lookup'; there are: source, change-schema, aggregate, derive, filter, join, union, sql, quality, target"},
	{"\"input\": \"rows\"", "\"inputs\": \"rows\"",
	 "job.json: node schema: unknown key \"inputs\"; did you mean \"input\"?"},
	{"\"input\": \"rows\", ", "",
	 "job.json: node schema: \"input\" is missing, expected a text"},
	{"\"input\": \"rows\"", "\"input\": [\"rows\"]",
	 "job.json: node schema: \"input\" is not a text"},
	{"\"input\": \"rows\"", "\"input\": \"row\"",
	 "job.json: node schema: there is no node 'row'; did you mean 'rows'?"},
	{"\"input\": \"rows\"", "\"input\": \"out\"",
	 "job.json: node schema: 'out' is a target, nothing follows it"},
	{"\"x\": 1.5", "\"x\": \"left\"",
	 "job.json: node rows: \"layout\" of a node is {\"x\": number, \"y\": number}"},
	{"\"input\": \"rows\"", "\"input\": \"all\"",
	 "job.json: node schema: the nodes go round in a circle: schema <- all <- big <- schema"},
	{"\"input\": \"rows\"", "\"input\": \"schema\"",
	 "job.json: node schema: the nodes go round in a circle: schema <- schema"},
	{"[\"big\", \"small\"]", "[\"big\", \"big\"]",
	 "job.json: node small: nothing takes the rows of this node"},
	{NULL,
	 "{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": [{\"id\": \"a\", \"type\": \"source\", \"table\": \"raw.portfolio\"}, "
	 "{\"id\": \"q\", \"type\": \"quality\", \"input\": \"a\", \"checks\": [{\"name\": \"n\", \"rows\": {\"min\": 1}}]}]}",
	 "job.json: the job has no target"},
	/* source */
	{"\"table\": \"raw.portfolio\"", "\"table\": \"portfolio\"",
	 "job.json: node rows: 'portfolio' is no table name; they look like raw.portfolio"},
	{"\"table\": \"raw.portfolio_total\"", "\"table\": \"raw.nothing\"",
	 "job.json: node totals: there is no table raw.nothing"},
	{"\"table\": \"raw.portfolio_total\"", "\"table\": \"raw.x'; --\"",
	 "job.json: node totals: 'raw.x'; --' is no table name; they look like raw.portfolio"},
	/* change-schema */
	{"\"acao\": \"action\"", "\"acaoo\": \"action\"",
	 "job.json: node schema: there is no column 'acaoo'; did you mean 'acao'?"},
	{"\"acao\": \"action\"", "\"acao\": \"my action\"",
	 "job.json: node schema, column acao: 'my action' cannot be the name of a column: letters, digits and '_', at most 63, no digit first"},
	{"\"acao\": \"action\"", "\"acao\": \"CODIGO\"",
	 "job.json: node schema, column CODIGO: the node already has a column 'codigo'; rename one of them before"},
	{"\"part\": \"DECIMAL(38,3)\"", "\"part\": \"DECIMAL(9,2)\"",
	 "job.json: node schema, column part: DECIMAL(9,3) cannot be cast to DECIMAL(9,2): it would round; use round(value, decimals) first"},
	{"\"part\": \"DECIMAL(38,3)\"", "\"part\": \"NUMERIC\"",
	 "job.json: node schema, column part: unknown type \"NUMERIC\", expected one of BOOLEAN, INTEGER, BIGINT, HUGEINT, DOUBLE, DECIMAL(digits,decimals), DATE, "
	 "TIMESTAMP, VARCHAR"},
	{"\"part\": \"DECIMAL(38,3)\"", "\"acao\": \"BIGINT\"",
	 "job.json: node schema, column acao: VARCHAR cannot be cast to BIGINT: text is read by parse_integer, parse_decimal or parse_date, which refuse what "
	 "they cannot read exactly"},
	{"\"source_sha256\", \"setor\"", "\"source\"",
	 "job.json: node schema: there is no column 'source'; there are: codigo, acao, tipo, setor, qtd_teorica, "
	 "part, source_sha256, data_pregao, index_code"},
	{"\"source_sha256\", \"setor\"", "\"acao\"",
	 "job.json: node schema, column acao: the column is changed and dropped"},
	{"\"source_sha256\", \"setor\"", "\"setor\", \"setor\"",
	 "job.json: node schema: \"drop\" names 'setor' twice"},
	{"\"drop\": [", "\"keep\": [\"part\"], \"drop\": [",
	 "job.json: node schema: \"keep\" and \"drop\" do not go together: keep leaves out all others"},
	{"\"rename\": {\"acao\": \"action\", \"tipo\": \"kind\"}, \"cast\": {\"part\": \"DECIMAL(38,3)\"}, \"drop\": [\"source_sha256\", \"setor\"]",
	 "\"drop\": []",
	 "job.json: node schema: the node changes nothing: rename, cast, drop and keep are all missing"},
	/* filter */
	{"qtd_teorica > 1000", "qtd_teorica",
	 "job.json: node big, where: expected a condition (BOOLEAN), found BIGINT"},
	{"qtd_teorica > 1000", "qtd_teorico > 1000",
	 "job.json: node big, where, character 1: there is no column 'qtd_teorico'; did you mean 'qtd_teorica'?"},
	{"qtd_teorica > 1000", "qtd_teorica > ",
	 "job.json: node big, where, character 15: expected a value, found the end of the expression"},
	/* union */
	{"[\"big\", \"small\"]", "[\"big\"]",
	 "job.json: node all: \"inputs\" names 1 nodes, expected 2 to 16"},
	{"[\"big\", \"small\"]", "[\"big\", \"rows\"]",
	 "job.json: node small: nothing takes the rows of this node"},
	{"[\"big\", \"small\"]", "[\"big\", \"small\", \"rows\"]",
	 "job.json: node all: 'rows' has the column 'acao', 'big' has not"},
	{"[\"big\", \"small\"]", "[\"big\", \"small\", \"totals\"]",
	 "job.json: node all: 'totals' has the column 'qtd_teorica_total', 'big' has not"},
	/* aggregate */
	{"\"group\": [\"data_pregao\"", "\"group\": [\"data\"",
	 "job.json: node sums: there is no column 'data'; there are: codigo, action, kind, qtd_teorica, part, data_pregao, index_code"},
	{"\"of\": \"qtd_teorica\"", "\"of\": \"qtd\"",
	 "job.json: node sums, column quantity: there is no column 'qtd'; there are: codigo, action, kind, qtd_teorica, part, data_pregao, index_code"},
	{"\"of\": \"qtd_teorica\"", "\"of\": \"action\"",
	 "job.json: node sums, column quantity: sum of 'action', which is VARCHAR, expected a whole number or a decimal"},
	{"\"function\": \"sum\", \"of\": \"qtd_teorica\"", "\"function\": \"sum\"",
	 "job.json: node sums, column quantity: 'sum' needs \"of\": the column it is taken of"},
	{"\"function\": \"sum\"", "\"function\": \"summ\"",
	 "job.json: node sums, column quantity: there is no aggregate 'summ'; did you mean 'sum'?"},
	{"\"function\": \"sum\"", "\"function\": \"percentile\"",
	 "job.json: node sums, column quantity: there is no aggregate 'percentile'; there are: sum, count, count_distinct, min, max, first, last, avg"},
	{"\"function\": \"sum\"", "\"function\": \"first\"",
	 "job.json: node sums, column quantity: 'first' needs \"order\": the columns that order the rows"},
	{"\"function\": \"sum\"", "\"order\": [\"codigo\"], \"function\": \"sum\"",
	 "job.json: node sums, column quantity: 'sum' does not ask for the order of rows: \"order\" is for first and last"},
	{"\"function\": \"sum\"", "\"order\": [\"codigu\"], \"function\": \"last\"",
	 "job.json: node sums, column quantity: there is no column 'codigu'; did you mean 'codigo'?"},
	{"\"function\": \"sum\", \"of\": \"qtd_teorica\"",
	 "\"order\": [\"codigo\"], \"function\": \"last\"",
	 "job.json: node sums, column quantity: 'last' needs \"of\": the column it is taken of"},
	{"\"function\": \"sum\"", "\"order\": \"codigo\", \"function\": \"last\"",
	 "job.json: node sums, aggregate number 1: \"order\" is not a list of texts"},
	{"\"function\": \"sum\"", "\"order\": [], \"function\": \"last\"",
	 "job.json: node sums, column quantity: \"order\" is empty"},
	{"\"function\": \"sum\"", "\"order\": [\"codigo\", \"codigo\"], \"function\": \"last\"",
	 "job.json: node sums, column quantity: \"order\" names 'codigo' twice"},
	{", \"type\": \"DECIMAL(9,4)\"}]}", "}]}",
	 "job.json: node sums, column mean: an average is rounded: \"type\" must say to what, a DECIMAL(digits,decimals)"},
	{"\"type\": \"DECIMAL(9,4)\"}]}", "\"type\": \"DOUBLE\"}]}",
	 "job.json: node sums, column mean: an average is rounded: \"type\" must say to what, a DECIMAL(digits,decimals)"},
	{"\"column\": \"quantity\", \"function\"", "\"column\": \"action\", \"function\"",
	 "job.json: node sums, column action: the node already has a column 'action'; rename one of them before"},
	{"\"column\": \"quantity\", \"function\"", "\"colum\": \"quantity\", \"function\"",
	 "job.json: node sums, aggregate number 1: unknown key \"colum\"; did you mean \"column\"?"},
	/* join */
	{"\"kind\": \"inner\"", "\"kind\": \"outer\"",
	 "job.json: node both: there is no join kind 'outer'; there are: inner, left"},
	{"\"on\": [\"data_pregao\", {\"left\": \"index_code\", \"right\": \"index_code\"}]",
	 "\"on\": []", "job.json: node both: \"on\" is empty"},
	{"\"right\": \"index_code\"}", "\"right\": \"redutor\"}",
	 "job.json: node both: 'index_code' is VARCHAR and 'redutor' is DECIMAL(38,8); cast one of them before"},
	{"\"right\": \"index_code\"}", "\"rigth\": \"index_code\"}",
	 "job.json: node both, on number 2: unknown key \"rigth\"; did you mean \"right\"?"},
	{"{\"left\": \"index_code\", \"right\": \"index_code\"}", "\"action\"",
	 "job.json: node both: there is no column 'action'; there are: qtd_teorica_total, part_total, redutor, source_sha256, data_pregao, index_code"},
	{"{\"left\": \"index_code\", \"right\": \"index_code\"}", "\"data_pregao\"",
	 "job.json: node both: \"on\" names 'data_pregao' of the right twice"},
	{", {\"left\": \"index_code\", \"right\": \"index_code\"}]", "]",
	 "job.json: node both, column index_code: the node already has a column 'index_code'; rename one of them before"},
	{"\"right\": \"totals\"", "\"right\": \"sums\"",
	 "job.json: node both: 'sums' is an input twice"},
	/* sql */
	{"\"duckdb\": \"SELECT", "\"sqlite\": \"SELECT",
	 "job.json: node words: there is no dialect 'sqlite'; there are: duckdb, spark"},
	{"\"duckdb\": \"SELECT", "\"spark\": \"SELECT",
	 "job.json: node words: \"text\" has no \"duckdb\""},
	{"SELECT *, 1 AS one FROM both", "DELETE FROM both",
	 "job.json: node words: the duckdb text cannot be used: it begins with neither SELECT nor WITH"},
	{"SELECT *, 1 AS one FROM both", "SELECT 1) AS x, (SELECT 2",
	 "job.json: node words: the duckdb text cannot be used: it closes a parenthesis that it did not open"},
	{"SELECT *, 1 AS one FROM both", "SELECT (1",
	 "job.json: node words: the duckdb text cannot be used: it leaves a parenthesis open"},
	{"SELECT *, 1 AS one FROM both", "SELECT 1; DROP TABLE x",
	 "job.json: node words: the duckdb text cannot be used: it has a ';'"},
	{"SELECT *, 1 AS one FROM both", "SELECT 1 -- )",
	 "job.json: node words: the duckdb text cannot be used: it has a comment; \"doc\" is for those"},
	{"SELECT *, 1 AS one FROM both", "SELECT 1 /* ) */",
	 "job.json: node words: the duckdb text cannot be used: it has a comment; \"doc\" is for those"},
	{"SELECT *, 1 AS one FROM both", "SELECT $$)$$",
	 "job.json: node words: the duckdb text cannot be used: it has a '$'"},
	{"SELECT *, 1 AS one FROM both", "SELECT e'\\\\') FROM both",
	 "job.json: node words: the duckdb text cannot be used: it has a text with backslashes (E'...')"},
	{"SELECT *, 1 AS one FROM both", "SELECT 'a",
	 "job.json: node words: the duckdb text cannot be used: it has a quote that is not closed"},
	{"\"keeps\": [\"index_code\"]", "\"keeps\": [\"index\"]",
	 "job.json: node words: there is no column 'index'; there are: data_pregao, index_code, action, quantity, mean"},
	{"\"keeps\": [\"index_code\"],\n \"columns\": [",
	 "\"keeps\": [\"extra\"],\n \"columns\": [{\"name\": \"extra\", \"type\": \"BIGINT\"}, ",
	 "job.json: node words: \"keeps\" names 'extra', which the input 'both' does not have"},
	{"{\"name\": \"action\", \"type\": \"VARCHAR\"}, {\"name\": \"quantity\"",
	 "{\"name\": \"ACTION\", \"type\": \"VARCHAR\"}, {\"name\": \"action\"",
	 "job.json: node words, column action: the column is there twice"},
	/* derive */
	{"days_between(data_pregao, as_of())", "days_between(data_pregao, as_off())",
	 "job.json: node derived, column days, character 27: there is no function 'as_off'; did you mean 'as_of'?"},
	{"days_between(data_pregao, as_of())", "NULL",
	 "job.json: node derived, column days: NULL has no type here; write cast(NULL AS TYPE)"},
	{"\"column\": \"days\"", "\"column\": \"action\"",
	 "job.json: node derived, column action: the node already has a column 'action'; rename one of them before"},
	{"\"expression\": \"days", "\"expr\": \"days",
	 "job.json: node derived, column number 1: unknown key \"expr\"; there are: column, expression, doc"},
	/* quality */
	{"quantity > 0", "quantity > '0'",
	 "job.json: node checked, check positive, character 12: BIGINT and VARCHAR do not go together without a cast"},
	{"quantity > 0", "quantity",
	 "job.json: node checked, check positive: expected a condition (BOOLEAN), found BIGINT"},
	{"\"holds\": \"quantity > 0\"", "\"hold\": \"quantity > 0\"",
	 "job.json: node checked, check number 1: unknown key \"hold\"; did you mean \"holds\"?"},
	{"\"holds\": \"quantity > 0\"", "\"holds\": \"quantity > 0\", \"unique\": [\"action\"]",
	 "job.json: node checked, check positive: a check has exactly one of \"holds\", \"unique\", \"not_null\", \"rows\", \"sum\", this one has 2"},
	{", \"holds\": \"quantity > 0\"", "",
	 "job.json: node checked, check positive: a check has exactly one of \"holds\", \"unique\", \"not_null\", \"rows\", \"sum\", this one has 0"},
	{"\"name\": \"positive\"", "\"name\": \"some\"",
	 "job.json: node checked: two checks have the name 'some'"},
	{"{\"min\": 1}", "{\"min\": 1.5}",
	 "job.json: node checked, check some: \"min\" is not a whole number of rows"},
	{"{\"min\": 1}", "{\"min\": 5, \"max\": 4}",
	 "job.json: node checked, check some: \"min\" is more than \"max\""},
	{"{\"min\": 1}", "{}",
	 "job.json: node checked, check some: \"rows\" says neither \"min\" nor \"max\""},
	{"{\"min\": 1}", "{\"minimum\": 1}",
	 "job.json: node checked, check some: unknown key \"minimum\"; there are: min, max"},
	{"\"unique\": [\"action\"", "\"unique\": [\"actions\"",
	 "job.json: node checked, check once: there is no column 'actions'; did you mean 'action'?"},
	{"\"not_null\": [\"action\"]", "\"not_null\": []",
	 "job.json: node checked, check filled: \"not_null\" is empty"},
	{"\"equals\": \"5\"", "\"equals\": \"quantity\"",
	 "job.json: node checked, check whole: \"equals\" is 'quantity', expected a number"},
	{"\"equals\": \"5\"", "\"equals\": \"5.5\"",
	 "job.json: node checked, check whole: the sum is HUGEINT, which never equals 5.5 exactly"},
	{"\"of\": \"quantity\"", "\"of\": \"action\"",
	 "job.json: node checked, check whole: sum of 'action', which is VARCHAR, expected a whole number or a decimal"},
	/* target */
	{"\"table\": \"refined.small\"", "\"table\": \"raw.small\"",
	 "job.json: node out: a job does not write to 'raw'; its tables are in refined or a database of its own"},
	{"\"table\": \"refined.small\"", "\"table\": \"refined.Small\"",
	 "job.json: node out: 'refined.Small' is no table name; they look like raw.portfolio"},
	{"\"table\": \"refined.small\"",
	 "\"table\": \"refined.small\", \"location\": \"raw/small\"",
	 "job.json: node out: \"location\" is 'raw/small', expected refined/ and a name in small letters, digits and '_'"},
	{"\"table\": \"refined.small\"",
	 "\"table\": \"refined.small\", \"location\": \"refined/../state\"",
	 "job.json: node out: \"location\" is 'refined/../state', expected refined/ and a name in small letters, digits and '_'"},
	{"\"compact\": {", "\"compact\": {\"location\": \"refined/small\", ",
	 "job.json: node out: \"location\" is 'refined/small', expected compact/refined/ and a name in small letters, digits and '_'"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"day\", \"type\": \"INTEGER\"}",
	 "job.json: node out, column day: there is no column 'day'; did you mean 'days'?"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"days\", \"type\": \"VARCHAR\"}",
	 "job.json: node out, column days: it is INTEGER, the table declares VARCHAR; cast it in a change-schema node if that is meant"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"days\", \"type\": \"DOUBLE\"}",
	 "job.json: node out, column days: it is INTEGER, the table declares DOUBLE; cast it in a change-schema node if that is meant"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"mean\", \"type\": \"DECIMAL(9,3)\"}",
	 "job.json: node out, column mean: it is DECIMAL(9,4), the table declares DECIMAL(9,3): it would round; use round(value, decimals) first"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"days\", \"type\": \"HUGEINT\"}",
	 "job.json: node out, column days: Parquet has no HUGEINT; declare BIGINT or a DECIMAL"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"Days\", \"type\": \"INTEGER\"}",
	 "job.json: node out, column Days: 'Days' cannot be the name of a column: small letters, digits and '_', at most 63, no digit first"},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"action\", \"type\": \"VARCHAR\"}",
	 "job.json: node out, column action: the column is in \"columns\" and in \"partition\""},
	{"{\"name\": \"days\", \"type\": \"INTEGER\"}",
	 "{\"name\": \"days\", \"kind\": \"INTEGER\"}",
	 "job.json: node out, columns number 2: unknown key \"kind\"; there are: name, type, doc"},
	{"\"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}",
	 "\"partition\": [{\"name\": \"mean\", \"type\": \"DECIMAL(9,4)\"}",
	 "job.json: node out, column mean: a partition column is VARCHAR, DATE, INTEGER or BIGINT, found DECIMAL(9,4)"},
	{"\"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}, {\"name\": \"action\", \"type\": \"VARCHAR\"}]",
	 "\"partition\": []", "job.json: node out: \"partition\" is empty"},
	{"\"scope\": [\"index_code\"]", "\"scope\": [\"action\"]",
	 "job.json: node out: \"scope\" names 'action', expected index_code: it is the first of the partition columns, in order"},
	{"\"scope\": [\"index_code\"]", "\"scope\": []", "job.json: node out: \"scope\" is empty"},
	{"\"sort\": [\"action\"", "\"sort\": [\"actions\"",
	 "job.json: node out, compact: there is no column 'actions'; did you mean 'action'?"},
	{"\"compact\": {\"sort\"", "\"compact\": {\"sorted\"",
	 "job.json: node out, compact: unknown key \"sorted\"; did you mean \"sort\"?"},
	{"\n]}",
	 ",\n{\"id\": \"again\", \"type\": \"target\", \"input\": \"checked\", \"table\": \"refined.small\", \"columns\": [{\"name\": \"days\", \"type\": \"INTEGER\"}], "
	 "\"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}], \"scope\": [\"index_code\"]}]}",
	 "job.json: node again: node 'out' writes the table refined.small too"},
	{"\n]}",
	 ",\n{\"id\": \"again\", \"type\": \"target\", \"input\": \"checked\", \"table\": \"refined.other\", \"location\": \"refined/small\", \"columns\": [{\"name\": "
	 "\"days\", \"type\": \"INTEGER\"}], \"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}], \"scope\": [\"index_code\"]}]}",
	 "job.json: node again: node 'out' writes to the location refined/small too"},
	{"\"table\": \"raw.portfolio_total\"", "\"table\": \"refined.small\"",
	 "job.json: node out: the job reads the table refined.small that it writes"},
};

static void bad_graphs(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena AUTO_ARENA *arena = arena_new();
		char AUTO_FREE *text = edited(sound_graph, bad[i].from, bad[i].to);
		char message[2048];
		struct job *job;
		int rc = load_text(arena, text, &job, message);
		if (strcmp(message, bad[i].error) != 0)
			fail_msg("%s -> %s\nsays     %s\nexpected %s", bad[i].from, bad[i].to,
				 message, bad[i].error);
		assert_int_equal(rc, ERR_INPUT);
	}
}

static const struct column *column_of(const struct job *job, const char *node, const char *name)
{
	const struct column *columns;
	size_t n;
	struct err e = ERR_INIT;
	assert_int_equal(job_schema(job, node, &columns, &n, &e), OK);
	for (size_t i = 0; i < n; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

static void schema_at_each_node(void **state)
{
	static const struct {
		const char *node, *column, *type; /* NULL: not there */
	} expected[] = {
		{"rows", "qtd_teorica", "BIGINT"},
		{"rows", "data_pregao", "DATE"},
		{"schema", "acao", NULL},
		{"schema", "action", "VARCHAR"},
		{"schema", "part", "DECIMAL(38,3)"},
		{"schema", "source_sha256", NULL},
		{"all", "part", "DECIMAL(38,3)"},
		{"sums", "quantity", "HUGEINT"},
		{"sums", "mean", "DECIMAL(9,4)"},
		{"sums", "kind", NULL},
		{"both", "redutor", "DECIMAL(38,8)"},
		{"words", "one", NULL},
		{"words", "quantity", "BIGINT"},
		{"derived", "days", "INTEGER"},
		{"checked", "days", "INTEGER"},
		{"out", "quantity", "BIGINT"},
		{"out", "index_code", "VARCHAR"},
		{"out", "mean", NULL},
	};
	struct arena AUTO_ARENA *arena = arena_new();
	struct job *job = load_sound(arena, sound_graph);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		const struct column *column = column_of(job, expected[i].node, expected[i].column);
		char type[COLUMN_TYPE_SIZE] = "";
		if (column)
			column_type_format(column, type);
		if (strcmp(type, expected[i].type ? expected[i].type : "") != 0)
			fail_msg("%s.%s is %s", expected[i].node, expected[i].column, type);
	}
	struct err e = ERR_INIT;
	const struct column *columns;
	size_t n;
	assert_int_equal(job_schema(job, "sum", &columns, &n, &e), ERR_NOT_FOUND);
	assert_string_equal(e.text, "there is no node 'sum'; did you mean 'sums'?");
}

static void description(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("jobs/portfolio.json");
	struct job *job = load_sound(arena, text);
	struct job_node_info *nodes;
	size_t n;
	struct buf AUTO_BUF told = {0};
	job_describe(arena, job, &nodes, &n);
	for (size_t i = 0; i < n; i++)
		buf_printf(&told, "%s %s%s%s: %s\n", nodes[i].id, nodes[i].type,
			   nodes[i].input_count ? " of " : "",
			   nodes[i].input_count ? nodes[i].inputs[0] : "", nodes[i].summary);
	assert_string_equal(
		told.data,
		"portfolio source: raw.portfolio\n"
		"by_stock aggregate of portfolio: group by index_code, data_pregao, acao, tipo: theoretical_quantity = sum(qtd_teorica), "
		"participation = sum(part), ticker = min(codigo), papers = count(*)\n"
		"named change-schema of by_stock: rename acao to action, data_pregao to pregao_date; cast theoretical_quantity as "
		"BIGINT, participation as DECIMAL(9,3)\n"
		"dated derive of named: as_of = as_of(), days_since_session = days_between(pregao_date, as_of())\n"
		"checked quality of dated: quantity_positive, participation_not_negative, keys_not_null, keys_unique, participation_whole\n"
		"refined target of checked: refined.portfolio at refined/portfolio, partitioned by index_code, pregao_date, action, replaced by "
		"index_code, pregao_date, compact at compact/refined/portfolio\n");
}

/* A chain of filters as long as asked; each has `more` beside its condition. */
static char *chain_of(size_t filters, const char *condition)
{
	struct buf b = {0};
	buf_str(&b,
		"{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": [{\"id\": \"n0\", \"type\": \"source\", \"table\": \"raw.portfolio\"}");
	for (size_t i = 1; i <= filters; i++)
		buf_printf(
			&b,
			", {\"id\": \"n%zu\", \"type\": \"filter\", \"input\": \"n%zu\", \"where\": \"%s\"}",
			i, i - 1, condition);
	buf_printf(
		&b,
		", {\"id\": \"out\", \"type\": \"target\", \"input\": \"n%zu\", \"table\": \"refined.x\", \"columns\": [{\"name\": \"part\", \"type\": "
		"\"DECIMAL(9,3)\"}], \"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}], \"scope\": [\"index_code\"]}]}",
		filters);
	return buf_take(&b);
}

/* A source and `joins` joins, each of which brings the columns of a renamed copy: they double. */
static int load_and_compile(struct arena *arena, const char *text, char *message)
{
	struct job *job;
	struct job_plan plan;
	struct err e = ERR_INIT;
	int rc = load_text(arena, text, &job, message);
	if (!rc)
		rc = job_compile(arena, job, &plan, &e);
	if (rc && !message[0])
		err_format(&e, message, 2048);
	return rc;
}

static void hostile_sizes(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char message[2048];
	struct job *job;
	struct err e = ERR_INIT;

	char AUTO_FREE *longest = chain_of(198, "part > 1");
	assert_int_equal(load_and_compile(arena, longest, message), OK);
	char AUTO_FREE *longer = chain_of(199, "part > 1");
	assert_int_equal(load_text(arena, longer, &job, message), ERR_LIMIT);
	assert_string_equal(message, "job.json: the job has 201 nodes, at most 200 are allowed");

	struct buf AUTO_BUF big = {0};
	buf_str(&big, "{\"doc\": \"");
	while (big.len <= JOB_MAX_BYTES)
		buf_str(&big,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_int_equal(job_parse(arena, "job.json", buf_slice(&big), &job, &e), ERR_LIMIT);
	assert_string_equal(e.text, "the job is larger than 1048576 bytes");

	struct buf AUTO_BUF deep = {0};
	for (size_t i = 0; i < 500000; i++)
		buf_char(&deep, '[');
	assert_int_equal(job_parse(arena, "job.json", buf_slice(&deep), &job, &e), ERR_INPUT);

	struct buf AUTO_BUF condition = {0};
	buf_str(&condition, "part > 1");
	while (condition.len <= JOB_MAX_EXPRESSION_BYTES)
		buf_str(&condition, " OR part > 1");
	char AUTO_FREE *wordy = chain_of(1, condition.data);
	assert_int_equal(load_text(arena, wordy, &job, message), ERR_LIMIT);
	assert_string_equal(message,
			    "job.json: node n1, where: the expression is longer than 4096 bytes");

	/* 256 columns are the most, of any node. */
	struct buf AUTO_BUF wide = {0};
	for (size_t i = 0; i < 247; i++)
		buf_printf(&wide, "%s{\"column\": \"c%zu\", \"expression\": \"part + 1\"}",
			   i ? ", " : "", i);
	struct buf AUTO_BUF derive = {0};
	buf_printf(&derive, "\"type\": \"derive\", \"columns\": [%s]", wide.data);
	char AUTO_FREE *one = chain_of(1, "part > 1");
	char AUTO_FREE *just = edited(one, "\"type\": \"filter\"", derive.data);
	char AUTO_FREE *just_right = edited(just, ", \"where\": \"part > 1\"", "");
	assert_int_equal(load_and_compile(arena, just_right, message), OK);
	char AUTO_FREE *too_wide =
		edited(just_right, "{\"column\": \"c0\"",
		       "{\"column\": \"c\", \"expression\": \"1\"}, {\"column\": \"c0\"");
	assert_int_equal(load_text(arena, too_wide, &job, message), ERR_LIMIT);
	assert_string_equal(message, "job.json: node n1: the node has more than 256 columns");

	/* Every check carries all that it stands on: many checks on a long chain of wide nodes
	 * would be a very long plan. */
	struct buf AUTO_BUF checks = {0};
	for (size_t i = 0; i < 200; i++)
		buf_printf(&checks, "%s{\"name\": \"c%zu\", \"rows\": {\"min\": 1}}", i ? ", " : "",
			   i);
	struct buf AUTO_BUF quality = {0};
	buf_printf(
		&quality,
		"\n, {\"id\": \"q\", \"type\": \"quality\", \"input\": \"n190\", \"checks\": [%s]}]}",
		checks.data);
	char AUTO_FREE *chain = chain_of(
		190,
		"part > 1 OR part < 0 OR part IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10) OR upper(tipo) = 'ABCDEFGHIJKLMNOPQRST' OR "
		"lower(tipo) IN ('abcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghijklmnopqrst', 'abcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghijklmnopqrst', "
		"'abcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghijklmnopqrst')");
	chain[strlen(chain) - 2] = 0;
	struct buf AUTO_BUF heavy = {0};
	buf_printf(&heavy, "%s%s", chain, quality.data);
	assert_int_equal(load_and_compile(arena, heavy.data, message), ERR_LIMIT);
	assert_string_equal(message, "job.json: the job's SQL would be longer than 16777216 bytes");
}

/* job_check may be asked again, and an error of the catalog itself is not taken for a bad graph. */
static int broken_catalog(void *ctx, const char *database, const char *name, struct arena *arena,
			  struct table_def **ret, struct err *e)
{
	return err_set(e, ERR_IO, "the catalog cannot be read");
}

static void checking_again(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	struct job *job = load_sound(arena, sound_graph);
	struct err e = ERR_INIT;
	struct job_plan first, second;
	assert_int_equal(job_compile(arena, job, &first, &e), OK);
	assert_int_equal(job_check(arena, job, broken_catalog, NULL, &e), ERR_IO);
	assert_string_equal(e.text, "the catalog cannot be read");
	assert_int_equal(job_compile(arena, job, &second, &e), ERR_BUG);
	assert_int_equal(job_check(arena, job, find_raw_table, NULL, &e), OK);
	assert_int_equal(job_compile(arena, job, &second, &e), OK);
	assert_string_equal(first.outputs[0].sql, second.outputs[0].sql);
	assert_string_equal(first.hash, second.hash);
}

/* docs/jobs.md tells all that the program knows: every key, type and function stands in it word for
 * word. */
static void docs_are_in_line(void **state)
{
	char AUTO_FREE *docs = source_file("docs/jobs.md");
	struct buf AUTO_BUF line = {0};
	size_t n, missing = 0;
	const struct function *functions = function_table(&n);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&line);
		buf_printf(&line, "| `%s` | %s |", functions[i].signature, functions[i].doc);
		if (!strstr(docs, line.data) && ++missing)
			print_error("docs/jobs.md lacks: %s\n", line.data);
	}
	const struct aggregate_function *aggregates = aggregate_table(&n);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&line);
		buf_printf(&line, "| `%s` | %s | %s |", aggregates[i].name, aggregates[i].signature,
			   aggregates[i].doc);
		if (!strstr(docs, line.data) && ++missing)
			print_error("docs/jobs.md lacks: %s\n", line.data);
	}
	for (size_t i = 0; i < NODE_KINDS + 2; i++) {
		const struct key *keys = i < NODE_KINDS    ? node_types[i].keys
					 : i == NODE_KINDS ? graph_keys
							   : node_common_keys;
		if (i < NODE_KINDS) {
			buf_reset(&line);
			buf_printf(&line, "### %s\n\n%s.\n", node_types[i].name, node_types[i].doc);
			if (!strstr(docs, line.data) && ++missing)
				print_error("docs/jobs.md lacks: %s\n", line.data);
		}
		for (size_t k = 0; keys[k].name; k++) {
			buf_reset(&line);
			buf_printf(&line, "| `%s` | %s | %s |", keys[k].name,
				   keys[k].required ? "yes" : "", keys[k].doc);
			if (!strstr(docs, line.data) && ++missing)
				print_error("docs/jobs.md lacks: %s\n", line.data);
		}
	}
	assert_int_equal(missing, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_graphs),     cmocka_unit_test(schema_at_each_node),
		cmocka_unit_test(description),    cmocka_unit_test(hostile_sizes),
		cmocka_unit_test(checking_again), cmocka_unit_test(docs_are_in_line),
	};
	return RUN_TESTS("job_graph");
}
