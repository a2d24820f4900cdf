/* Bitcoin's rows: numbers and times by their edges, rows that come back from a record as they went in,
 * records that nobody wrote, columns, scopes. */
#include "unit.h"

#include <inttypes.h>

#include "bitcoin.h"
#include "bitcoin_fields.h"

#define T0 INT64_C(1723161253937085) /* 2024-08-08T23:54:13.937085Z */

static int64_t decimal_of(const char *text)
{
	int64_t n = BITCOIN_NONE;
	struct err e = ERR_INIT;
	if (bitcoin_decimal(slice_of(text), &n, &e) == OK)
		return n;
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.reason, "bad_number");
	return BITCOIN_NONE;
}

static void decimals_are_exact_or_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		".",
		"1.",
		".5",
		"+1",
		"1e3",
		"1.5e3",
		"NaN",
		"nan",
		"inf",
		"0x1",
		" 1",
		"1 ",
		"1,5",
		"--1",
		"1-",
		"1.2.3",
		"1.2-3",
		"1_0",
		"12 3",
		"\xd9\xa1",
		"10000000000",
		"0.000000001",
		"1.123456789",
		"99999999999999999999999999999999999999999",
	};
	assert_int_equal(decimal_of("340644.47"), INT64_C(34064447000000));
	assert_int_equal(decimal_of("61837.63000000"), INT64_C(6183763000000));
	assert_int_equal(decimal_of("0.00000001"), 1);
	assert_int_equal(decimal_of("-6.98"), -698000000);
	assert_int_equal(decimal_of("0"), 0);
	assert_int_equal(decimal_of("-0.0"), 0);
	assert_int_equal(decimal_of("007"), 700000000);
	assert_int_equal(decimal_of("9999999999.99999999"), INT64_C(999999999999999999));
	assert_int_equal(decimal_of("-9999999999.99999999"), INT64_C(-999999999999999999));
	assert_int_equal(decimal_of("1.500000000000000000000000000000"), 150000000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (decimal_of(bad[i]) != BITCOIN_NONE)
			fail_msg("\"%s\" was taken", bad[i]);
}

static void times_are_told_by_magnitude(void **state)
{
	static const int64_t bad[] = {0,
				      -1,
				      INT64_MIN,
				      INT64_MAX,
				      1230767999,
				      7258118400,
				      INT64_C(1230767999999),
				      INT64_C(7258118400000),
				      INT64_C(7258118400000000),
				      INT64_C(7258118400000000000)};
	int64_t us;
	assert_int_equal(bitcoin_time(1723161253, &us, NULL), OK);
	assert_int_equal(us, INT64_C(1723161253000000));
	assert_int_equal(bitcoin_time(INT64_C(1723161253937), &us, NULL), OK);
	assert_int_equal(us, INT64_C(1723161253937000));
	assert_int_equal(bitcoin_time(T0, &us, NULL), OK);
	assert_int_equal(us, T0);
	assert_int_equal(bitcoin_time(T0 * 1000 + 999, &us, NULL), OK);
	assert_int_equal(us, T0);
	assert_int_equal(bitcoin_time(1230768000, &us, NULL), OK);
	assert_int_equal(bitcoin_time(INT64_C(7258118399), &us, NULL), OK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(bitcoin_time(bad[i], &us, &e), ERR_INPUT);
		assert_string_equal(e.reason, "bad_time");
	}
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static int64_t random_decimal(void)
{
	int64_t n = (int64_t)(next_random() % (uint64_t)BITCOIN_DECIMAL_END);
	n >>= next_random() % 60;
	return next_random() % 3 ? n : -n;
}

static int64_t random_time(void)
{
	return BITCOIN_TIME_MIN +
	       (int64_t)(next_random() % (uint64_t)(BITCOIN_TIME_END - BITCOIN_TIME_MIN));
}

static struct slice random_text(struct arena *arena)
{
	static const char *const pieces[] = {
		"{\"last\":1}",    "\"", "\\",   "\n",      "\x01", "\x1f",
		"S\xc3\xa3o",      "}",  "\\\"", "\\u0041", "/",    "\x7f",
		"\xf0\x9f\x92\xb0"};
	AUTO_BUF struct buf b = {0};
	for (size_t n = 1 + next_random() % 20; n; n--)
		buf_str(&b, pieces[next_random() % ARRAY_LEN(pieces)]);
	return (struct slice){arena_strndup(arena, b.data, b.len), b.len};
}

static struct bitcoin_row random_row(struct arena *arena)
{
	struct bitcoin_row row;
	bitcoin_row_init(&row, (enum bitcoin_kind)(next_random() % BITCOIN_KINDS));
	row.source = "binance";
	row.pair = "BTCUSDT";
	for (size_t i = 0; i < bitcoin_field_count; i++) {
		const struct bitcoin_field *f = &bitcoin_fields[i];
		void *m = (char *)&row + f->offset;
		unsigned bit = 1u << row.kind;
		if (!(f->kinds & bit) || (!(f->required & bit) && next_random() % 2))
			continue;
		if (f->offset == offsetof(struct bitcoin_row, line))
			continue;
		switch (f->form) {
		case FORM_WORD:
			*(const char **)m = next_random() % 2 ? "a" : "0123456789abcdef";
			break;
		case FORM_TEXT: *(const char **)m = random_text(arena).p; break;
		case FORM_BYTES: *(struct slice *)m = random_text(arena); break;
		case FORM_TIME: *(int64_t *)m = random_time(); break;
		case FORM_DECIMAL: *(int64_t *)m = random_decimal(); break;
		case FORM_NUMBER: *(int64_t *)m = 1 + (int64_t)(next_random() >> 2); break;
		case FORM_FLAG: *(int *)m = (int)(next_random() % 2); break;
		}
	}
	if (row.origin)
		row.line = 1 + (int64_t)(next_random() % 1000000);
	if (row.kind == BITCOIN_GAP)
		row.event_us = row.slot_us;
	return row;
}

static void same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(!a && !b);
}

static void same_row(const struct bitcoin_row *a, const struct bitcoin_row *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->event_us, b->event_us);
	assert_int_equal(a->maker, b->maker);
	assert_true(slice_eq(a->payload, b->payload));
	for (const struct bitcoin_field *f = bitcoin_fields;
	     f < bitcoin_fields + bitcoin_field_count; f++) {
		const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
		if (f->form == FORM_WORD || f->form == FORM_TEXT)
			same_text(*(const char *const *)x, *(const char *const *)y);
		else if (f->form != FORM_BYTES && f->form != FORM_FLAG)
			assert_int_equal(*(const int64_t *)x, *(const int64_t *)y);
	}
}

static void rows_survive_their_record(void **state)
{
	for (int i = 0; i < 20000; i++) {
		AUTO_ARENA struct arena *arena = arena_new();
		AUTO_BUF struct buf body = {0}, again = {0};
		struct bitcoin_row row = random_row(arena), back;
		struct err e = ERR_INIT;
		bitcoin_encode(&row, &body);
		int rc = bitcoin_decode(row.kind, buf_slice(&body), arena, &back, &e);
		if (rc != OK)
			fail_msg("%s: %s", body.data, e.text);
		same_row(&row, &back);
		bitcoin_encode(&back, &again);
		assert_string_equal(body.data, again.data);
	}
}

/* A payload as long as is kept, of the bytes that take most room, still fits a record. */
static void the_longest_payload_fits(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_BUF struct buf body = {0};
	struct bitcoin_row row, back;
	char *payload = arena_alloc(arena, BITCOIN_PAYLOAD_MAX);
	memset(payload, '\x01', BITCOIN_PAYLOAD_MAX);
	bitcoin_row_init(&row, BITCOIN_TICK);
	row.source = "binance";
	row.pair = "BTCUSDT";
	row.event_us = T0;
	row.payload = (struct slice){payload, BITCOIN_PAYLOAD_MAX};
	bitcoin_encode(&row, &body);
	assert_true(body.len < 1000000);
	assert_int_equal(bitcoin_decode(BITCOIN_TICK, buf_slice(&body), arena, &back, NULL), OK);
	assert_true(slice_eq(back.payload, row.payload));
}

#define HEAD "{\"source\":\"binance\",\"pair\":\"BTCUSDT\","
#define TIME "\"event_time\":1723161253937085"

static void records_nobody_wrote_are_refused(void **state)
{
	static const struct {
		enum bitcoin_kind kind;
		const char *body;
	} bad[] = {
		{BITCOIN_TICK, ""},
		{BITCOIN_TICK, "{"},
		{BITCOIN_TICK, "{}"},
		{BITCOIN_TICK, "null"},
		{BITCOIN_TICK, "[]"},
		{BITCOIN_TICK, "{}{}"},
		{BITCOIN_TICK, HEAD TIME},
		{BITCOIN_TICK, HEAD TIME "}}"},
		{BITCOIN_TICK, HEAD TIME ",}"},
		{BITCOIN_TICK, HEAD TIME ",\"last\":1}"},
		{BITCOIN_TICK, HEAD TIME ",\"last\":\"1e3\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"last\":null}"},
		{BITCOIN_TICK, HEAD TIME ",\"bid\":\"1\",\"bid\":\"1\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"other\":\"1\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"payload\":\"{}\"}"},
		{BITCOIN_TICK, HEAD TIME "}\n"},
		{BITCOIN_TICK, HEAD TIME "}\n\xff"},
		{BITCOIN_TICK, HEAD TIME "\n}"},
		{BITCOIN_TICK, HEAD TIME ",\"bid\":\"1\\u0000\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"bid\":\"1\\\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"bid\":\"1\\"},
		{BITCOIN_TICK, HEAD TIME ",\"bid\":\"\x01\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"bid\":{\"a\":1}}"},
		{BITCOIN_TICK, HEAD TIME ",\"origin\":\"0123456789abcdef\"}"},
		{BITCOIN_TICK, HEAD TIME ",\"line\":3}"},
		{BITCOIN_TICK, HEAD "\"event_time\":\"1723161253937085\"}"},
		{BITCOIN_TICK, HEAD "\"event_time\":1723161253}"},
		{BITCOIN_TICK, HEAD "\"event_time\":99999999999999999999}"},
		{BITCOIN_TICK, HEAD "\"event_time\":1723161253937085.0}"},
		{BITCOIN_TICK, "{\"source\":\"\",\"pair\":\"BTCUSDT\"," TIME "}"},
		{BITCOIN_TICK, "{\"source\":\"a b\",\"pair\":\"BTCUSDT\"," TIME "}"},
		{BITCOIN_TICK, "{\"source\":\"a\\n\",\"pair\":\"BTCUSDT\"," TIME "}"},
		{BITCOIN_TRADE, HEAD TIME "}"},
		{BITCOIN_TRADE,
		 HEAD "\"trade_id\":-1," TIME ",\"price\":\"1\",\"quantity\":\"1\"}"},
		{BITCOIN_TRADE, HEAD "\"trade_id\":1," TIME
				     ",\"price\":\"1\",\"quantity\":\"1\",\"buyer_is_maker\":1}"},
		{BITCOIN_GAP,
		 HEAD "\"slot\":1723161253937085,\"reason\":\"html\",\"slots\":0,\"period_us\":1}"},
		{BITCOIN_GAP,
		 HEAD "\"slot\":1723161253937085,\"reason\":\"\",\"slots\":1,\"period_us\":1}"},
		{BITCOIN_GAP, HEAD "\"reason\":\"html\",\"slots\":1,\"period_us\":1}"},
		{BITCOIN_GAP, HEAD
		 "\"slot\":1723161253937085,\"reason\":\"html\",\"slots\":1,\"period_us\":1}\n{}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ARENA struct arena *arena = arena_new();
		struct bitcoin_row row;
		struct err e = ERR_INIT;
		/* at the very end of its memory, so that a sanitizer sees a step too far */
		size_t n = strlen(bad[i].body);
		char *exact = malloc(n ? n : 1);
		memcpy(exact, bad[i].body, n);
		int rc = bitcoin_decode(bad[i].kind, (struct slice){exact, n}, arena, &row, &e);
		free(exact);
		if (rc != ERR_INPUT)
			fail_msg("taken: %s", bad[i].body);
		assert_string_equal(e.reason, "bad_record");
		assert_true(strstr(e.text, "not valid JSON: ") ||
			    (strstr(e.text, "found \"") && strstr(e.text, "expected ")));
	}
}

/* Whoever wrote the JSON: members in another order, blanks, other escapes. */
static void any_spelling_of_a_record_is_read(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct bitcoin_row row;
	int rc = bitcoin_decode(
		BITCOIN_GAP,
		slice_of("{ \"slots\":2,\"period_us\":1,\"slot\":1723161253937085, "
			 "\"detail\" : \"\\u0041\\/\\b\\u20ac\", \"reason\":\"html\","
			 "\"pair\":\"BTCUSDT\",\"source\":\"binance\"} "),
		arena, &row, NULL);
	assert_int_equal(rc, OK);
	assert_string_equal(row.detail, "A/\b\xe2\x82\xac");
	assert_int_equal(row.slots, 2);
	assert_int_equal(row.event_us, T0);
	assert_string_equal(row.source, "binance");
}

/* What is missing of a payload only the spool's checksum tells. */
static void every_cut_of_a_record_is_refused(void **state)
{
	for (int i = 0; i < 200; i++) {
		AUTO_ARENA struct arena *arena = arena_new();
		AUTO_BUF struct buf body = {0};
		struct bitcoin_row row = random_row(arena), back;
		bitcoin_encode(&row, &body);
		for (size_t n = strcspn(body.data, "\n"); n-- > 0;)
			assert_int_equal(bitcoin_decode(row.kind, (struct slice){body.data, n},
							arena, &back, NULL),
					 ERR_INPUT);
	}
}

static void scopes_are_utc_days_and_hours(void **state)
{
	char scope[BITCOIN_SCOPE_SIZE];
	struct bitcoin_row row;
	struct err e = ERR_INIT;
	bitcoin_row_init(&row, BITCOIN_TICK);
	row.event_us = T0;
	assert_int_equal(bitcoin_scope(&row, scope, sizeof(scope), NULL), OK);
	assert_string_equal(scope, "date=2024-08-08/hour=23");
	row.event_us = INT64_C(1723161600000000);
	assert_int_equal(bitcoin_scope(&row, scope, sizeof(scope), NULL), OK);
	assert_string_equal(scope, "date=2024-08-09/hour=0");
	row.event_us--;
	assert_int_equal(bitcoin_scope(&row, scope, sizeof(scope), NULL), OK);
	assert_string_equal(scope, "date=2024-08-08/hour=23");
	row.event_us = BITCOIN_TIME_MIN - 1;
	assert_int_equal(bitcoin_scope(&row, scope, sizeof(scope), &e), ERR_INPUT);
	assert_string_equal(e.reason, "bad_time");
	row.event_us = BITCOIN_NONE;
	assert_int_equal(bitcoin_scope(&row, scope, sizeof(scope), NULL), ERR_INPUT);
	bitcoin_row_init(&row, BITCOIN_GAP);
	row.slot_us = T0;
	assert_int_equal(bitcoin_scope(&row, scope, sizeof(scope), NULL), OK);
	assert_string_equal(scope, "date=2024-08-08/hour=23");
}

static const char *cell(const struct batch *b, const char *column, size_t row, struct buf *out)
{
	for (size_t i = 0; i < b->column_count; i++) {
		if (strcmp(b->columns[i].name, column) != 0)
			continue;
		buf_reset(out);
		return batch_text(b, i, row, out) ? out->data : NULL;
	}
	fail_msg("no column %s", column);
	return NULL;
}

static void rows_become_columns(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_BUF struct buf text = {0};
	struct bitcoin_rows *rows = bitcoin_rows_new(arena, BITCOIN_TICK);
	struct bitcoin_row row;
	char payload[16];
	for (int i = 0; i < 1000; i++) {
		bitcoin_row_init(&row, BITCOIN_TICK);
		row.source = i % 2 ? "binance" : "coinbase";
		row.pair = "BTCUSDT";
		row.event_us = T0 + i * INT64_C(1000000);
		row.last = i * INT64_C(100000000);
		row.bid = i == 500 ? INT64_C(-1) : BITCOIN_NONE;
		row.volume_24h = i == 3 ? BITCOIN_NONE : BITCOIN_DECIMAL_END - 1 - i;
		snprintf(payload, sizeof(payload), "p%d", i);
		row.payload = slice_of(payload);
		bitcoin_rows_add(rows, &row, i + 7);
	}
	assert_int_equal(bitcoin_rows_count(rows), 1000);
	struct batch b = bitcoin_rows_batch(rows, true);
	assert_int_equal(b.row_count, 1000);
	assert_int_equal(b.column_count, bitcoin_tables[BITCOIN_TICK]->column_count + 2);
	assert_string_equal(cell(&b, "source", 999, &text), "binance");
	assert_string_equal(cell(&b, "source", 998, &text), "coinbase");
	assert_string_equal(cell(&b, "event_time", 0, &text), "2024-08-08 23:54:13.937085");
	assert_string_equal(cell(&b, "last", 999, &text), "999.00000000");
	assert_string_equal(cell(&b, "bid", 500, &text), "-0.00000001");
	assert_null(cell(&b, "bid", 499, &text));
	assert_string_equal(cell(&b, "volume_24h", 0, &text), "9999999999.99999999");
	assert_null(cell(&b, "volume_24h", 3, &text));
	assert_string_equal(cell(&b, "volume_24h", 999, &text), "9999999999.99999000");
	assert_null(cell(&b, "slot", 0, &text));
	assert_string_equal(cell(&b, "payload", 731, &text), "p731");
	assert_string_equal(cell(&b, "seq", 0, &text), "7");
	assert_string_equal(cell(&b, "date", 0, &text), "2024-08-08");
	assert_string_equal(cell(&b, "hour", 0, &text), "23");
	assert_string_equal(cell(&b, "date", 999, &text), "2024-08-09");
	assert_string_equal(cell(&b, "hour", 999, &text), "0");
	b = bitcoin_rows_batch(rows, false);
	assert_int_equal(b.column_count, bitcoin_tables[BITCOIN_TICK]->column_count);
	/* one that has no nulls says so, so that nobody looks */
	assert_null(b.vectors[0].valid);
}

/* A price times a quantity is exact in SQL only when the engine does not multiply in 64 bits. */
static void quantities_are_wider_than_prices(void **state)
{
	const struct {
		enum bitcoin_kind kind;
		const char *column, *type;
	} wanted[] = {{BITCOIN_TRADE, "price", "DECIMAL(18,8)"},
		      {BITCOIN_TRADE, "quantity", "DECIMAL(20,8)"},
		      {BITCOIN_TICK, "last", "DECIMAL(18,8)"},
		      {BITCOIN_TICK, "volume_24h", "DECIMAL(20,8)"}};
	char type[COLUMN_TYPE_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		const struct column *c =
			table_column(bitcoin_tables[wanted[i].kind], wanted[i].column);
		assert_string_equal(column_type_format(c, type), wanted[i].type);
	}
}

/* What the columns say must be what the rows hold: each has its field, of its type. */
static void every_column_has_its_field(void **state)
{
	for (int k = 0; k < BITCOIN_KINDS; k++) {
		const struct table_def *t = bitcoin_tables[k];
		size_t known = 0, fields = 0;
		for (size_t i = 0; i < t->column_count; i++) {
			assert_true(t->columns[i].doc && strlen(t->columns[i].doc) > 10);
			for (size_t f = 0; f < bitcoin_field_count; f++) {
				if (strcmp(bitcoin_fields[f].name, t->columns[i].name) != 0)
					continue;
				assert_true(bitcoin_fields[f].kinds & 1u << k);
				enum column_type type = t->columns[i].type;
				enum bitcoin_form form = bitcoin_fields[f].form;
				assert_int_equal(type, form == FORM_TIME      ? COL_TIMESTAMP
						       : form == FORM_DECIMAL ? COL_DECIMAL
						       : form == FORM_NUMBER  ? COL_BIGINT
						       : form == FORM_FLAG    ? COL_BOOLEAN
									      : COL_TEXT);
				known++;
			}
		}
		assert_int_equal(known + 1, t->column_count); /* seq has none */
		for (size_t f = 0; f < bitcoin_field_count; f++)
			fields += (bitcoin_fields[f].kinds & 1u << k) != 0;
		/* origin and line are for replays; a gap's received_at is not in its table */
		assert_int_equal(fields, known + 2 + (k == BITCOIN_GAP));
		for (size_t i = 0; i < t->sort_count; i++)
			assert_non_null(table_column(t, t->sort[i]));
		assert_int_equal(bitcoin_kind_of(bitcoin_kind_names[k]), k);
	}
	assert_int_equal(bitcoin_kind_of("ticks"), -1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_are_exact_or_refused),
		cmocka_unit_test(times_are_told_by_magnitude),
		cmocka_unit_test(rows_survive_their_record),
		cmocka_unit_test(the_longest_payload_fits),
		cmocka_unit_test(records_nobody_wrote_are_refused),
		cmocka_unit_test(any_spelling_of_a_record_is_read),
		cmocka_unit_test(every_cut_of_a_record_is_refused),
		cmocka_unit_test(scopes_are_utc_days_and_hours),
		cmocka_unit_test(rows_become_columns),
		cmocka_unit_test(quantities_are_wider_than_prices),
		cmocka_unit_test(every_column_has_its_field),
	};
	return RUN_TESTS("bitcoin");
}
