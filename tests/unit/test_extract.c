/* From payload to published raw partitions on the embedded store and catalog: what is written, what
 * is not, what a failure at any write leaves, and quarantine. Parquet is stood in for by a driver
 * that writes the rows as text, so that the test can read them. */
#include "unit.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "b3_portfolio.h"
#include "catalog_sqlite.h"
#include "clock_fake.h"
#include "extract.h"
#include "hash.h"
#include "object_store_fault.h"
#include "object_store_fs.h"
#include "quarantine.h"

#define DAY_US INT64_C(86400000000)
/* 2024-07-16 01:30 UTC: still the 15th in São Paulo. */
#define NOW_US INT64_C(1721093400000000)

/* -- a lake in a folder ------------------------------------------------------------------------ */

static int text_write(struct parquet *p, const struct batch *batches, size_t n, const char *path,
		      struct arena *arena, struct parquet_result *ret, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	int64_t rows = 0;
	for (size_t b = 0; b < n; b++)
		for (size_t r = 0; r < batches[b].row_count; r++, rows++)
			for (size_t c = 0; c < batches[b].column_count; c++) {
				if (!batch_text(&batches[b], c, r, &text))
					buf_str(&text, "null");
				buf_char(&text, c + 1 < batches[b].column_count ? '|' : '\n');
			}
	*ret = (struct parquet_result){.rows = rows, .bytes = (int64_t)text.len};
	return file_create(path, text.data, text.len, false, e);
}
static const struct parquet_ops text_ops = {.write = text_write, .merge = NULL, .free = NULL};
static struct parquet text_parquet = {.ops = &text_ops};

struct lake {
	char *root;
	struct clock_fake clock;
	struct object_store *store;
	struct catalog *catalog;
	struct extract extract;
	struct arena *arena;
};

static void lake_open(struct lake *l)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf state = {0};
	buf_printf(&state, "%s/state", l->root);
	assert_int_equal(file_mkdirs(state.data, false, &e), OK);
	if (object_store_fs_open(l->root, true, &l->store, &e) != OK)
		fail_msg("%s", e.text);
	if (catalog_sqlite_open(state.data, &l->clock.clock, false, &l->catalog, &e) != OK)
		fail_msg("%s", e.text);
	if (catalog_put_tables(l->catalog, b3_portfolio_source.tables,
			       b3_portfolio_source.table_count, &e) != OK)
		fail_msg("%s", e.text);
	l->extract = (struct extract){.publish = {.store = l->store,
						  .catalog = l->catalog,
						  .parquet = &text_parquet,
						  .clock = &l->clock.clock}};
}

static void lake_close(struct lake *l)
{
	catalog_free(l->catalog);
	object_store_free(l->store);
}

static void lake_clear(struct lake *l)
{
	lake_close(l);
	remove_folder(&l->root);
	arena_free(l->arena);
}
#define LAKE                                                \
	struct lake l CLEANUP(lake_clear) = {.root = NULL}; \
	lake_make(&l)
static void lake_make(struct lake *l)
{
	l->root = temporary_folder();
	l->arena = arena_new();
	clock_fake_init(&l->clock, NOW_US);
	lake_open(l);
}

static bool is_data(const char *path)
{
	return strncmp(path, "state/", 6) != 0 && strncmp(path, "scratch/", 8) != 0;
}

struct tree {
	const char *root;
	struct hash *hash;
	size_t files, parquet;
	bool receipts;
};
static int add_to_tree(void *ctx, const char *path, int64_t size)
{
	struct tree *t = ctx;
	AUTO_BUF struct buf whole = {0}, bytes = {0};
	if (!is_data(path) || (!t->receipts && strstr(path, "landing/") && strstr(path, ".json") &&
			       !strstr(path, ".body.json")))
		return OK;
	buf_printf(&whole, "%s/%s", t->root, path);
	assert_int_equal(file_read(whole.data, 1 << 20, &bytes, NULL), OK);
	hash_str(t->hash, path);
	hash_field(t->hash, bytes.data, bytes.len);
	t->files++;
	t->parquet += strstr(path, ".parquet") != NULL;
	return OK;
}
/* A hash over every name and byte of the lake, state and staging aside. */
static struct tree tree_of(const struct lake *l, bool receipts, char hex[HASH_HEX_SIZE])
{
	struct tree t = {.root = l->root, .hash = hash_new(), .receipts = receipts};
	assert_int_equal(file_walk(l->root, add_to_tree, &t, NULL), OK);
	hash_end_hex(t.hash, hex);
	return t;
}

/* -- payloads ---------------------------------------------------------------------------------- */

/* Two papers of PETROBRAS; the first one's quantity tells contents apart. */
static const char *csv(struct arena *a, const char *date, int quantity, bool sectors)
{
	if (sectors)
		return arena_printf(
			a,
			"IBOV - Carteira do Dia %s\nSetor;C\xF3"
			"digo;A\xE7\xE3o;Tipo;Qtde. Te\xF3rica;Part. (%%);Part. (%%)Acum.\n"
			"Petr\xF3leo;PETR4;PETROBRAS;PN      N2;3000000000;60,000;100,000;\nPetr\xF3leo;PETR3;PETROBRAS;ON      N2;%d;40,000;100,000;\n"
			"Quantidade Te\xF3rica Total;;;;%lld;100,000;100,000\nRedutor;;;;16.431.231,56745229\n",
			date, quantity, 3000000000LL + quantity);
	return arena_printf(
		a,
		"IBOV - Carteira do Dia %s\nC\xF3"
		"digo;A\xE7\xE3o;Tipo;Qtde. Te\xF3rica;Part. (%%)\n"
		"PETR3;PETROBRAS;ON      N2;%d;40,000;\nPETR4;PETROBRAS;PN      N2;3000000000;60,000;\n"
		"Quantidade Te\xF3rica Total;;;%lld;100,000\nRedutor;;;16.431.231,56745229\n",
		date, quantity, 3000000000LL + quantity);
}

static struct payload payload_of(struct lake *l, const char *text)
{
	return (struct payload){.bytes = slice_of(text),
				.source = "https://b3.example/x",
				.status = 200,
				.headers = "content-type: text/plain\nset-cookie: secret\n",
				.at_us = clock_now_us(&l->clock.clock)};
}

static struct extract_result extracted(struct lake *l, const char *text)
{
	struct err e = ERR_INIT;
	struct extract_result r;
	struct payload p = payload_of(l, text);
	if (extract_payload(&l->extract, &b3_portfolio_source, &p, l->arena, &r, &e) != OK)
		fail_msg("%s: %s", err_name(e.code), e.text);
	return r;
}

static const char *object(struct lake *l, const char *key)
{
	struct buf bytes = {0};
	struct err e = ERR_INIT;
	if (object_store_get(l->store, key, 0, -1, 1 << 20, &bytes, NULL, &e) != OK)
		fail_msg("%s: %s", key, e.text);
	const char *copy = arena_strndup(l->arena, bytes.data ? bytes.data : "", bytes.len);
	buf_free(&bytes);
	return copy;
}

static const struct catalog_file *raw_files(struct lake *l, const struct table_def *table,
					    size_t *ret_count)
{
	struct catalog_file *files;
	assert_int_equal(catalog_files(l->catalog, table, LAYOUT_PUBLISHED, NULL, 0, l->arena,
				       &files, ret_count, NULL),
			 OK);
	return files;
}

/* The only file of the table, as text. */
static const char *raw_rows(struct lake *l, const struct table_def *table)
{
	size_t n;
	const struct catalog_file *files = raw_files(l, table, &n);
	assert_int_equal(n, 1);
	return object(l, files[0].key);
}

static int64_t version_of(struct lake *l)
{
	int64_t version;
	int handle;
	assert_int_equal(catalog_read_begin(l->catalog, &version, &handle, NULL), OK);
	catalog_read_end(l->catalog, handle);
	return version;
}

static const char *properties(struct lake *l, const char *scope)
{
	struct catalog_scope s;
	assert_int_equal(catalog_scope(l->catalog, &b3_portfolio_table, scope, l->arena, &s, NULL),
			 OK);
	return s.properties;
}

#define SCOPE "data_pregao=2024-07-15/index_code=IBOV"

/* -- tests ------------------------------------------------------------------------------------- */

static void writes_landing_receipt_and_rows(void **state)
{
	LAKE;
	const char *text = csv(l.arena, "15/07/24", 2000000001, false);
	struct extract_result r = extracted(&l, text);
	char sha256[HASH_HEX_SIZE];
	hash_bytes_hex(text, strlen(text), sha256);
	assert_int_equal(r.outcome, EXTRACT_NEW);
	assert_string_equal(r.scope, SCOPE);
	assert_string_equal(r.values[0], "2024-07-15");
	assert_string_equal(r.values[1], "IBOV");
	assert_string_equal(r.landed_on, "2024-07-15");
	assert_string_equal(r.sha256, sha256);
	assert_int_equal(r.rows, 2);
	assert_int_equal(r.raw_files, 2);
	assert_string_equal(
		r.landing_key,
		arena_printf(l.arena, "landing/b3/portfolio/index=IBOV/%s.csv", sha256));
	assert_string_equal(object(&l, r.landing_key), text);
	const char *receipt = object(
		&l, arena_printf(l.arena, "landing/b3/portfolio/index=IBOV/%s.json", sha256));
	assert_non_null(strstr(receipt, "\"url\":\"https://b3.example/x\""));
	assert_non_null(strstr(receipt, "\"status\":200"));
	assert_non_null(strstr(receipt, "\"time\":\"2024-07-16T01:30:00.000000Z\""));
	assert_non_null(strstr(receipt, "\"content-type\":\"text/plain\""));
	assert_null(strstr(receipt, "secret"));
	assert_string_equal(
		raw_rows(&l, &b3_portfolio_table),
		arena_printf(
			l.arena,
			"PETR3|PETROBRAS|ON      N2|null|2000000001|40.000|%s\nPETR4|PETROBRAS|PN      N2|null|3000000000|60.000|%s\n",
			sha256, sha256));
	assert_string_equal(
		raw_rows(&l, &b3_portfolio_total_table),
		arena_printf(l.arena, "5000000001|100.000|16431231.56745229|%s\n", sha256));
	assert_non_null(strstr(properties(&l, SCOPE), "\"landed_on\":\"2024-07-15\""));
	assert_non_null(strstr(properties(&l, SCOPE), "\"sectors\":false"));
	assert_non_null(strstr(properties(&l, SCOPE), sha256));
}

static void the_same_again_changes_nothing(void **state)
{
	LAKE;
	char before[HASH_HEX_SIZE], after[HASH_HEX_SIZE];
	const char *text = csv(l.arena, "15/07/24", 1, false);
	extracted(&l, text);
	tree_of(&l, true, before);
	int64_t version = version_of(&l);
	l.clock.now += 3 * DAY_US;
	struct extract_result r = extracted(&l, text);
	assert_int_equal(r.outcome, EXTRACT_UNCHANGED);
	assert_int_equal(r.raw_files, 0);
	assert_string_equal(r.landed_on, "2024-07-15");
	struct tree t = tree_of(&l, true, after);
	assert_string_equal(before, after);
	assert_int_equal(t.files, 4);
	assert_int_equal(version_of(&l), version);
	/* Other line ends are other bytes, which land, and the same content, which is not written
	 * again. */
	AUTO_BUF struct buf crlf = {0};
	for (const char *p = text; *p; p++)
		buf_str(&crlf, *p == '\n' ? "\r\n" : (char[]){*p, 0});
	r = extracted(&l, crlf.data);
	assert_int_equal(r.outcome, EXTRACT_UNCHANGED);
	assert_string_equal(object(&l, r.landing_key), crlf.data);
	assert_int_equal(version_of(&l), version);
}

static void sectors_are_gained_and_not_lost(void **state)
{
	LAKE;
	const char *plain = csv(l.arena, "15/07/24", 7, false),
		   *sectors = csv(l.arena, "15/07/24", 7, true);
	extracted(&l, plain);
	l.clock.now += 5 * DAY_US;
	struct extract_result r = extracted(&l, sectors);
	assert_int_equal(r.outcome, EXTRACT_DETAILED);
	/* It is the same portfolio as before: that is when it landed. */
	assert_string_equal(r.landed_on, "2024-07-15");
	assert_non_null(strstr(raw_rows(&l, &b3_portfolio_table), "|Petr\xC3\xB3leo|7|"));
	assert_int_equal(extracted(&l, plain).outcome, EXTRACT_UNCHANGED);
	assert_int_equal(extracted(&l, sectors).outcome, EXTRACT_UNCHANGED);
	assert_non_null(strstr(raw_rows(&l, &b3_portfolio_table), "|Petr\xC3\xB3leo|7|"));
	/* Other content wins, with sectors or without, and says what was lost. */
	r = extracted(&l, csv(l.arena, "15/07/24", 8, false));
	assert_int_equal(r.outcome, EXTRACT_CHANGED);
	assert_true(r.lost_detail);
	assert_string_equal(r.landed_on, "2024-07-20");
}

static void a_correction_replaces_its_session_only(void **state)
{
	LAKE;
	extracted(&l, csv(l.arena, "16/07/24", 1, false));
	const char *first = csv(l.arena, "15/07/24", 1, false);
	extracted(&l, first);
	size_t n;
	const struct catalog_file *files = raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 2);
	const char *old = files[0].key, *other = files[1].key;
	struct extract_result r = extracted(&l, csv(l.arena, "15/07/24", 2, false));
	assert_int_equal(r.outcome, EXTRACT_CHANGED);
	files = raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 2);
	assert_string_not_equal(files[0].key, old);
	assert_string_equal(files[1].key, other);
	/* Back again: the same name as at first, alive and whole. */
	assert_int_equal(extracted(&l, first).outcome, EXTRACT_CHANGED);
	files = raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 2);
	assert_string_equal(files[0].key, old);
	assert_non_null(strstr(object(&l, old), "|1|40.000|"));
	char hex[HASH_HEX_SIZE];
	assert_int_equal(tree_of(&l, true, hex).parquet, 4);
}

static void a_batch_is_one_commit_and_takes_refusals(void **state)
{
	LAKE;
	struct err e = ERR_INIT;
	struct extract_result r;
	struct extract_batch *b = extract_begin(&l.extract, &b3_portfolio_source);
	int64_t version = version_of(&l);
	for (int day = 1; day <= 20; day++) {
		struct payload p = payload_of(
			&l, csv(l.arena, arena_printf(l.arena, "%02d/07/24", day), day, false));
		assert_int_equal(extract_add(b, &p, l.arena, &r, &e), OK);
		assert_int_equal(r.outcome, EXTRACT_NEW);
	}
	struct payload bad = payload_of(&l, "IBOV - Carteira do Dia 21/07/24\n");
	assert_int_equal(extract_add(b, &bad, l.arena, &r, &e), ERR_INPUT);
	assert_int_equal(r.outcome, EXTRACT_REFUSED);
	assert_string_equal(e.where, "https://b3.example/x");
	assert_int_equal(extract_staged(b), 20);
	size_t n;
	raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 0);
	assert_int_equal(extract_flush(b, &e), OK);
	raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 20);
	assert_int_equal(version_of(&l), version + 1);
	/* A session twice in a batch: the second is compared with the first. */
	struct payload again = payload_of(&l, csv(l.arena, "25/07/24", 1, false)),
		       detailed = payload_of(&l, csv(l.arena, "25/07/24", 1, true));
	assert_int_equal(extract_add(b, &again, l.arena, &r, &e), OK);
	assert_int_equal(extract_add(b, &detailed, l.arena, &r, &e), OK);
	assert_int_equal(r.outcome, EXTRACT_DETAILED);
	/* What was not flushed is dropped. */
	extract_end(b);
	assert_non_null(strstr(properties(&l, "data_pregao=2024-07-25/index_code=IBOV"),
			       "\"sectors\":false"));
	char hex[HASH_HEX_SIZE];
	assert_int_equal(tree_of(&l, true, hex).parquet, 42);
}

/* Whoever holds results can tell which of them a failure took: not what an add within the batch had
 * flushed before, but also what was only to be landed. */
static void what_a_failure_took_can_be_told(void **state)
{
	LAKE;
	struct err e = ERR_INIT;
	struct extract_result r[5];
	const char *first = csv(l.arena, "01/07/24", 1, false);
	extracted(&l, csv(l.arena, "02/07/24", 1, false));
	struct payload p[] = {
		payload_of(&l, first),
		payload_of(&l, csv(l.arena, "01/07/24", 2, false)),
		payload_of(&l, arena_printf(l.arena, "%s\n", csv(l.arena, "02/07/24", 1, false))),
		payload_of(&l, first),
		payload_of(&l, csv(l.arena, "02/07/24", 1, false)),
	};
	struct extract_batch *b = extract_begin(&l.extract, &b3_portfolio_source);
	assert_int_equal(extract_add(b, &p[0], l.arena, &r[0], &e), OK);
	assert_int_equal(extract_staged_bytes(b), strlen(first));
	/* The same session: the first is flushed. */
	assert_int_equal(extract_add(b, &p[1], l.arena, &r[1], &e), OK);
	assert_int_equal(extract_dropped(b), 0);
	assert_true(r[0].flush > 0 && r[1].flush > r[0].flush);
	/* The same bytes wait for nothing; the same rows in other bytes wait to be landed. */
	assert_int_equal(extract_add(b, &p[4], l.arena, &r[4], &e), OK);
	assert_int_equal(r[4].outcome, EXTRACT_UNCHANGED);
	assert_int_equal(r[4].flush, 0);
	assert_int_equal(extract_add(b, &p[2], l.arena, &r[2], &e), OK);
	assert_int_equal(r[2].outcome, EXTRACT_UNCHANGED);
	assert_int_equal(r[2].flush, r[1].flush);
	l.extract.publish.store = object_store_fault_new(l.store, 1, ERR_IO);
	/* Flushes what is staged, and fails. */
	assert_int_equal(extract_add(b, &p[3], l.arena, &r[3], &e), ERR_IO);
	assert_int_equal(extract_dropped(b), r[1].flush);
	assert_int_equal(extract_staged(b), 0);
	assert_int_equal(extract_staged_bytes(b), 0);
	extract_end(b);
	l.store = l.extract.publish.store;
	size_t n;
	const struct catalog_file *files = raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 2);
	assert_non_null(strstr(object(&l, files[0].key), "|1|40.000|"));
}

/* Fails the nth write of the store; afterwards the same payload again must lead to the lake of an
 * undisturbed run. Whether there was an nth. */
static bool made_good_after(int64_t nth, const char wanted[HASH_HEX_SIZE])
{
	LAKE;
	struct err e = ERR_INIT;
	struct extract_result r;
	char got[HASH_HEX_SIZE];
	size_t n;
	const char *new = csv(l.arena, "15/07/24", 2, true);
	extracted(&l, csv(l.arena, "15/07/24", 1, false));
	struct payload p = payload_of(&l, new);
	l.store = l.extract.publish.store = object_store_fault_new(l.store, nth, ERR_IO);
	int rc = extract_payload(&l.extract, &b3_portfolio_source, &p, l.arena, &r, &e);
	/* Removing what died is tried again by the next: that failure is none. */
	bool failed = rc != OK;
	assert_true(!failed || rc == ERR_IO);
	raw_files(&l, &b3_portfolio_table, &n);
	assert_int_equal(n, 1);
	assert_non_null(
		strstr(raw_rows(&l, &b3_portfolio_table), failed ? "|1|40.000|" : "|2|40.000|"));
	lake_close(&l);
	lake_open(&l);
	l.clock.now += 1;
	r = extracted(&l, new);
	assert_int_equal(r.outcome, failed ? EXTRACT_CHANGED : EXTRACT_UNCHANGED);
	assert_string_equal(r.landed_on, "2024-07-15");
	/* One more writer, so that whatever was left to be removed is. */
	struct extract_batch *b = extract_begin(&l.extract, &b3_portfolio_source);
	p = payload_of(&l, csv(l.arena, "18/07/24", 1, true));
	assert_int_equal(extract_add(b, &p, l.arena, &r, &e), OK);
	extract_end(b);
	tree_of(&l, false, got);
	if (strcmp(wanted, got) != 0)
		fail_msg("after a failure at write %" PRId64 " the lake is another", nth);
	return failed;
}

static void a_failure_at_any_write_is_made_good(void **state)
{
	LAKE;
	char wanted[HASH_HEX_SIZE];
	extracted(&l, csv(l.arena, "15/07/24", 1, false));
	extracted(&l, csv(l.arena, "15/07/24", 2, true));
	tree_of(&l, false, wanted);
	int64_t nth = 1;
	while (made_good_after(nth, wanted))
		assert_true(nth++ < 50);
	/* Two objects to land and two to publish, at least. */
	assert_true(nth > 4);
	while (nth < 8)
		made_good_after(++nth, wanted);
}

static void the_first_receipt_dates_it(void **state)
{
	LAKE;
	const char *text = csv(l.arena, "15/07/24", 1, false);
	struct payload p = payload_of(&l, text);
	struct extract_result r;
	struct err e = ERR_INIT;
	/* Two writes land the bytes and the receipt; then it dies. */
	l.store = l.extract.publish.store = object_store_fault_new(l.store, 3, ERR_IO);
	assert_int_equal(extract_payload(&l.extract, &b3_portfolio_source, &p, l.arena, &r, &e),
			 ERR_IO);
	lake_close(&l);
	lake_open(&l);
	l.clock.now += 10 * DAY_US;
	r = extracted(&l, text);
	assert_int_equal(r.outcome, EXTRACT_NEW);
	assert_string_equal(r.landed_on, "2024-07-15");
}

static int count_entry(void *ctx, const struct quarantine_entry *entry)
{
	*(int *)ctx += 1;
	return OK;
}

static int quarantined(struct lake *l)
{
	int n = 0;
	assert_int_equal(quarantine_list(l->store, count_entry, &n, NULL), OK);
	return n;
}

static void the_refused_are_kept_whole(void **state)
{
	LAKE;
	struct err e = ERR_INIT;
	struct extract_result r;
	const char *text = csv(l.arena, "15/07/24", 1, false);
	char *bad = arena_strdup(l.arena, text);
	*strstr(bad, "3000000001") = '4';
	struct payload p = payload_of(&l, bad);
	assert_int_equal(extract_payload(&l.extract, &b3_portfolio_source, &p, l.arena, &r, &e),
			 ERR_INPUT);
	assert_string_equal(e.reason, "sum_mismatch");
	char before[HASH_HEX_SIZE], after[HASH_HEX_SIZE];
	assert_int_equal(tree_of(&l, true, before).files, 2);
	l.clock.now += DAY_US;
	p.at_us += DAY_US;
	assert_int_equal(extract_payload(&l.extract, &b3_portfolio_source, &p, l.arena, &r, &e),
			 ERR_INPUT);
	tree_of(&l, true, after);
	assert_string_equal(before, after);

	struct quarantine_entry entry;
	AUTO_BUF struct buf bytes = {0};
	assert_int_equal(quarantine_show(l.store, arena_strndup(l.arena, r.sha256, 6), l.arena,
					 &entry, &bytes, &e),
			 OK);
	assert_string_equal(bytes.data, bad);
	assert_string_equal(entry.sha256, r.sha256);
	assert_string_equal(entry.key, r.landing_key);
	assert_string_equal(entry.reason, "sum_mismatch");
	assert_string_equal(entry.parser_version, b3_portfolio_source.parser_version);
	assert_string_equal(entry.source, "https://b3.example/x");
	assert_ptr_equal(entry.from, &b3_portfolio_source);
	assert_int_equal(entry.line, 5);
	assert_int_equal(entry.offset, strstr(bad, "4000000001") - bad);
	assert_int_equal(entry.size_bytes, strlen(bad));
	assert_int_equal(entry.at_us, NOW_US);
	assert_int_equal(quarantined(&l), 1);
	/* Today's parser says the same: nothing changes. */
	assert_int_equal(quarantine_replay(&l.extract, &entry, NULL, l.arena, &r, &e), ERR_INPUT);
	assert_string_equal(e.reason, "sum_mismatch");
	tree_of(&l, true, after);
	assert_string_equal(before, after);
	assert_int_equal(quarantine_show(l.store, "ffffffffffff", l.arena, &entry, NULL, &e),
			 ERR_NOT_FOUND);
	assert_int_equal(quarantine_show(l.store, "", l.arena, &entry, NULL, &e), ERR_NOT_FOUND);
}

static void a_replay_that_succeeds_leaves_no_entry(void **state)
{
	LAKE;
	struct err e = ERR_INIT;
	struct extract_result r;
	struct quarantine_entry entry;
	/* JSON does not say which index it is; told later, it is good. */
	struct payload p = payload_of(
		&l,
		"{\"page\":{\"pageNumber\":1,\"pageSize\":120,\"totalRecords\":1,\"totalPages\":1},\"header\":{\"date\":\"15/07/24\",\"part\":\"100,000\","
		"\"reductor\":\"1,00000000\",\"theoricalQty\":\"5\"},\"results\":[{\"segment\":null,\"cod\":\"PETR3\",\"asset\":\"PETROBRAS\",\"type\":\"ON\","
		"\"part\":\"100,000\",\"theoricalQty\":\"5\"}]}");
	assert_int_equal(extract_payload(&l.extract, &b3_portfolio_source, &p, l.arena, &r, &e),
			 ERR_INPUT);
	assert_string_equal(e.reason, "no_index");
	assert_int_equal(quarantine_show(l.store, r.sha256, l.arena, &entry, NULL, &e), OK);
	l.clock.now += 30 * DAY_US;
	assert_int_equal(quarantine_replay(&l.extract, &entry, "IBOV", l.arena, &r, &e), OK);
	assert_int_equal(r.outcome, EXTRACT_NEW);
	assert_string_equal(r.landed_on, "2024-07-15");
	assert_true(slice_ends(slice_of(r.landing_key), ".body.json"));
	assert_int_equal(quarantined(&l), 0);
	char hex[HASH_HEX_SIZE];
	assert_int_equal(tree_of(&l, true, hex).files, 4);
}

#define PORTFOLIO_ENTRY "quarantine/b3/portfolio/abc"
#define OTHER_ENTRY     "quarantine/b3/other/abc"
#define TAIL            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"

static void an_entry_without_description_is_seen(void **state)
{
	LAKE;
	struct err e = ERR_INIT;
	struct quarantine_entry entry;
	assert_int_equal(object_store_put(l.store, PORTFOLIO_ENTRY "d" TAIL ".payload", SLICE("x"),
					  false, &e),
			 OK);
	assert_int_equal(
		object_store_put(l.store, OTHER_ENTRY "e" TAIL ".payload", SLICE("x"), false, &e),
		OK);
	assert_int_equal(
		object_store_put(l.store, OTHER_ENTRY "e" TAIL ".json", SLICE("[1,2"), false, &e),
		OK);
	assert_int_equal(quarantined(&l), 2);
	assert_int_equal(quarantine_show(l.store, "abc", l.arena, &entry, NULL, &e), ERR_CONFLICT);
	assert_int_equal(quarantine_show(l.store, "abcd", l.arena, &entry, NULL, &e), OK);
	assert_string_equal(entry.reason, "unreadable");
	assert_ptr_equal(entry.from, &b3_portfolio_source);
	assert_int_equal(quarantine_show(l.store, "abce", l.arena, &entry, NULL, &e), OK);
	assert_null(entry.from);
	struct extract_result r;
	assert_int_equal(quarantine_replay(&l.extract, &entry, NULL, l.arena, &r, &e),
			 ERR_NOT_FOUND);
}

/* Only "quarantine/<source's path>/<64 hex digits>.payload" is an entry. */
static void foreign_files_in_quarantine_are_no_entries(void **state)
{
	LAKE;
	static const char *const keys[] = {
		"quarantine/x.payload",
		"quarantine/abcd" TAIL ".payload",
		"quarantine/b3/portfolio/.payload",
		"quarantine/b3/portfolio/abcd.payload",
		"quarantine/b3/portfolio/abcg" TAIL ".payload",
		"quarantine/b3/portfolio/abcd" TAIL "0.payload",
		"quarantine/b3/portfolio/abcd" TAIL ".payload.payload",
		"quarantine/b3/portfolio/ABCD" TAIL ".payload",
	};
	struct err e = ERR_INIT;
	struct quarantine_entry entry;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(object_store_put(l.store, keys[i], SLICE("x"), false, &e), OK);
	assert_int_equal(quarantined(&l), 0);
	assert_int_equal(quarantine_show(l.store, "abc", l.arena, &entry, NULL, &e), ERR_NOT_FOUND);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_landing_receipt_and_rows),
		cmocka_unit_test(the_same_again_changes_nothing),
		cmocka_unit_test(sectors_are_gained_and_not_lost),
		cmocka_unit_test(a_correction_replaces_its_session_only),
		cmocka_unit_test(a_batch_is_one_commit_and_takes_refusals),
		cmocka_unit_test(what_a_failure_took_can_be_told),
		cmocka_unit_test(a_failure_at_any_write_is_made_good),
		cmocka_unit_test(the_first_receipt_dates_it),
		cmocka_unit_test(the_refused_are_kept_whole),
		cmocka_unit_test(a_replay_that_succeeds_leaves_no_entry),
		cmocka_unit_test(an_entry_without_description_is_seen),
		cmocka_unit_test(foreign_files_in_quarantine_are_no_entries),
	};
	return RUN_TESTS("extract");
}
