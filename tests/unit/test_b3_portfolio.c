/* The portfolio's parser: every form gives the same content, every damage is refused with its
 * place, and no damaged byte ever becomes another number. The recorded files are read where
 * PREGAO_SHARED_DATA says they are; without it those cases skip. */
#include "unit.h"

#include <dirent.h>
#include <inttypes.h>

#include "b3_portfolio.h"
#include "base64.h"
#include "file.h"

#define HEADER  \
	"C\xF3" \
	"digo;A\xE7\xE3o;Tipo;Qtde. Te\xF3rica;Part. (%)\n"
#define ROWS                                                 \
	"ABEV3;AMBEV S/A;ON;4.111.222.333;2,000;\n"          \
	"PETR3;PETROBRAS;ON      N2;2.000.000.001;40,000;\n" \
	"PETR4;PETROBRAS;PN  ED  N2;3.999.999.999;38,500;\n" \
	"TAEE11;TAESA;UNT     N2;218.000.667;19,500;\n"
#define FOOTER \
	"Quantidade Te\xF3rica Total;;;10.329.223.000;100,000\nRedutor;;;16.431.231,56745229\n"
#define TITLE "IBOV - Carteira do Dia 15/07/24\n"
static const char plain[] = TITLE HEADER ROWS FOOTER;

static const char sector[] = TITLE
	"Setor;C\xF3"
	"digo;A\xE7\xE3o;Tipo;Qtde. Te\xF3rica;Part. (%);Part. (%)Acum.\n"
	"Cons N C\xED"
	"clico / Bebidas;ABEV3;AMBEV S/A;ON;4.111.222.333;2,000;2,000\n"
	"Petr\xF3leo;PETR3;PETROBRAS;ON      N2;2.000.000.001;40,000;78,500;\n"
	"Petr\xF3leo;PETR4;PETROBRAS;PN  ED  N2;3.999.999.999;38,500;78,500;\n"
	"Utilidade P\xFA"
	"bl;TAEE11;TAESA;UNT     N2;218.000.667;19,500;19,500;\n"
	"Quantidade Te\xF3rica Total;;;;10.329.223.000;100,000;100,000\n"
	"Redutor;;;;16.431.231,56745229\n";

#define JSON_HEADER                                                                                                              \
	"\"header\":{\"date\":\"15/07/24\",\"text\":\"Quantidade Te\xC3\xB3rica Total\",\"part\":\"100,000\",\"partAcum\":null," \
	"\"textReductor\":\"Redutor\",\"reductor\":\"16.431.231,56745229\",\"theoricalQty\":\"10.329.223.000\"}"
#define JSON_ROW(cod, asset, type, part, quantity, segment)                                     \
	"{\"segment\":" segment ",\"cod\":\"" cod "\",\"asset\":\"" asset "\",\"type\":\"" type \
	"\",\"part\":\"" part "\",\"partAcum\":null,\"theoricalQty\":\"" quantity "\"}"
#define JSON_PAGE(number, pages, rows)                                              \
	"{\"page\":{\"pageNumber\":" number                                         \
	",\"pageSize\":2,\"totalRecords\":4,\"totalPages\":" pages "}," JSON_HEADER \
	",\"results\":[" rows "]}"
#define JSON_FIRST                                                             \
	JSON_ROW("ABEV3", "AMBEV S/A", "ON", "2,000", "4.111.222.333", "null") \
	"," JSON_ROW("PETR3", "PETROBRAS", "ON      N2", "40,000", "2.000.000.001", "null")
#define JSON_SECOND                                                             \
	JSON_ROW("PETR4", "PETROBRAS", "PN  ED  N2", "38,500", "3.999.999.999", \
		 "\"Petr\xC3\xB3leo\"")                                         \
	"," JSON_ROW("TAEE11", "TAESA", "UNT     N2", "19,500", "218.000.667", "null")
static const char json[] = JSON_PAGE("1", "1", JSON_FIRST "," JSON_SECOND);
#define PAGE1 "\x1e" JSON_PAGE("1", "2", JSON_FIRST) "\n"
#define PAGE2 "\x1e" JSON_PAGE("2", "2", JSON_SECOND) "\n"

/* Every occurrence of `from` replaced, in the arena. */
static const char *replaced(struct arena *a, const char *text, const char *from, const char *to)
{
	AUTO_BUF struct buf out = {0};
	for (const char *at; (at = strstr(text, from)); text = at + strlen(from)) {
		buf_add(&out, text, (size_t)(at - text));
		buf_str(&out, to);
	}
	buf_str(&out, text);
	return arena_strndup(a, out.data, out.len);
}

static const char *in_utf8(struct arena *a, const char *latin1)
{
	AUTO_BUF struct buf out = {0};
	buf_latin1(&out, latin1, strlen(latin1));
	return arena_strndup(a, out.data, out.len);
}

static struct portfolio accepted(struct arena *a, const char *text, const char *index)
{
	struct portfolio p = {.row_count = 0};
	struct err e = ERR_INIT;
	if (portfolio_parse(slice_of(text), index, a, &p, &e) != OK) {
		char line[1400];
		fail_msg("refused (%s): %s", e.reason, err_format(&e, line, sizeof(line)));
	}
	return p;
}

static struct err refusal(struct arena *a, const char *text, const char *index)
{
	struct portfolio p;
	struct err e = ERR_INIT;
	int rc = portfolio_parse(slice_of(text), index, a, &p, &e);
	if (rc == OK)
		fail_msg("accepted: %.200s", text);
	assert_int_equal(rc, ERR_INPUT);
	assert_int_equal(e.code, ERR_INPUT);
	assert_true(e.reason[0] && e.text[0]);
	assert_true(str_is_utf8(e.text, strlen(e.text)));
	return e;
}

static void reads_a_portfolio(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct portfolio p = accepted(a, plain, NULL);
	char date[DATE_TEXT_SIZE], number[DECIMAL_TEXT_SIZE];
	assert_string_equal(p.index, "IBOV");
	assert_string_equal(date_format(p.session, date), "2024-07-15");
	assert_int_equal(p.form, PORTFOLIO_CSV);
	assert_false(p.has_sectors);
	assert_int_equal(p.row_count, 4);
	assert_int_equal(p.qtd_total, INT64_C(10329223000));
	assert_int_equal(p.part_total, 100000);
	assert_string_equal(decimal_format(p.redutor, 8, number), "16431231.56745229");
	assert_string_equal(p.rows[0].codigo.p, "ABEV3");
	assert_string_equal(p.rows[0].acao.p, "AMBEV S/A");
	assert_string_equal(p.rows[2].tipo.p, "PN  ED  N2");
	assert_int_equal(p.rows[0].qtd_teorica, INT64_C(4111222333));
	assert_int_equal(p.rows[3].part, 19500);
	assert_int_equal(p.rows[3].line, 6);
	assert_memory_equal(plain + p.rows[3].offset, "TAEE11;", 7);
}

static void every_form_has_the_same_content(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct portfolio first = accepted(a, plain, "IBOV");
	AUTO_BUF struct buf coded = {0};
	base64_encode(SLICE(plain), &coded);
	const char *ascii =
		replaced(a, replaced(a, replaced(a, plain, "\xF3", "o"), "\xE7", "c"), "\xE3", "a");
	const char *const forms[] = {
		replaced(a, plain, "\n", "\r\n"),
		in_utf8(a, plain),
		arena_printf(a, "\xEF\xBB\xBF%s", in_utf8(a, plain)),
		replaced(a, arena_printf(a, "\xEF\xBB\xBF%s", in_utf8(a, plain)), "\n", "\r\n"),
		ascii,
		replaced(a, ascii, "Teorica Total", "Te\xEF\xBF\xBDrica Total"),
		arena_printf(a, "%s\r\n \n\n", plain),
		replaced(a, plain, "56745229\n", "56745229"),
		replaced(a, plain, ";\n", "\n"),
		replaced(a, plain, "4.111.222.333", "4111222333"),
		replaced(a, replaced(a, plain, "24\n", "24;;;;\n"), "229\n", "229;\n"),
		replaced(a, plain, "N2;", "N2   ;"),
		replaced(a, plain, "AMBEV S/A;", " AMBEV S/A ;"),
		coded.data,
		sector,
		in_utf8(a, sector),
		replaced(a, sector, "\n", "\r\n"),
		json,
		PAGE1 PAGE2,
		PAGE2 PAGE1,
		replaced(a, json, ",", " ,\n "),
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		/* Blanks after commas stand in the texts too, there. */
		bool spaced = i + 1 == ARRAY_LEN(forms);
		const char *text = spaced ? replaced(a, replaced(a, forms[i], "\n ", ""), " ,", ",")
					  : forms[i];
		struct portfolio p = accepted(a, text, "IBOV");
		if (strcmp(p.content, first.content) != 0)
			fail_msg("form %zu has another content", i);
		assert_int_equal(p.has_sectors,
				 text == sector || strstr(text, "Setor") || strstr(text, "\"Petr"));
	}
	assert_string_not_equal(
		accepted(a, replaced(a, plain, "15/07/24", "16/07/24"), NULL).content,
		first.content);
	assert_string_not_equal(accepted(a, replaced(a, plain, "IBOV", "IBXX"), NULL).content,
				first.content);
	assert_string_not_equal(accepted(a, replaced(a, plain, "5229", "5228"), NULL).content,
				first.content);
	assert_string_not_equal(
		accepted(a, replaced(a, plain, "PN  ED  N2", "PN      N2"), NULL).content,
		first.content);
}

static void base64_is_landed_decoded(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	AUTO_BUF struct buf coded = {0};
	base64_encode(SLICE(plain), &coded);
	struct portfolio p = accepted(a, coded.data, NULL);
	assert_int_equal(p.landed.n, sizeof(plain) - 1);
	assert_memory_equal(p.landed.p, plain, p.landed.n);
}

static void sectors_are_read_but_do_not_count(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct portfolio p = accepted(a, sector, NULL);
	assert_int_equal(p.form, PORTFOLIO_CSV_SECTOR);
	assert_true(p.has_sectors);
	assert_string_equal(p.rows[0].setor.p, "Cons N C\xC3\xAD"
					       "clico / Bebidas");
	p = accepted(a, PAGE1 PAGE2, "IBOV");
	assert_true(p.has_sectors);
	assert_int_equal(p.rows[0].setor.n, 0);
	assert_string_equal(p.rows[2].setor.p, "Petr\xC3\xB3leo");
}

static void odd_divisors(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	char number[DECIMAL_TEXT_SIZE];
	struct portfolio p =
		accepted(a, replaced(a, plain, "16.431.231,56745229", "18.296.80337677573"), NULL);
	assert_string_equal(decimal_format(p.redutor, 8, number), "18296803.37677573");
	p = accepted(a, replaced(a, plain, "16.431.231,56745229", "36,84861823"), NULL);
	assert_string_equal(decimal_format(p.redutor, 8, number), "36.84861823");
	static const char *const bad[] = {"18.296.8033767757",
					  "18296.80337677573.",
					  "18.29.80337677573",
					  "80337677573",
					  "0,00000000",
					  "-1,00000000",
					  "",
					  "9999999999999999999999999999999999999999999,00000000",
					  "1,2345678 ",
					  "16.431.231.56745229"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refusal(a, replaced(a, plain, "16.431.231,56745229", bad[i]), NULL);
	assert_string_equal(refusal(a, replaced(a, plain, ",56745229", ",57"), NULL).reason,
			    "lost_digits");
}

/* One change to a good payload, why it must be refused, and in which line. */
static const struct damage {
	const char *from, *to, *reason;
	int64_t line;
} damages[] = {
	{TITLE, "", "no_title", 1},
	{"15/07/24", "", "no_date", 1},
	{"15/07/24", "31/02/24", "no_date", 1},
	{"15/07/24", "15/7/24", "no_date", 1},
	{"15/07/24", "15/07/2024", "no_date", 1},
	{" Dia ", " dia ", "not_a_portfolio", 1},
	{"IBOV -", "ibov -", "no_index", 1},
	{"IBOV -", "ABCDEFGHIJKLM -", "no_index", 1},
	{"IBOV -", "IBXX -", "wrong_index", 1},
	{"Tipo;", "Tipos;", "bad_header", 2},
	{"Tipo;", "", "bad_header", 2},
	{";Part. (%)\n", ";Part. (%);X\n", "bad_header", 2},
	{"C\xF3"
	 "digo",
	 "C\xC3\xB3"
	 "digo",
	 "bad_encoding", 2},
	{"C\xF3"
	 "digo;A\xE7\xE3o",
	 "C\xC3\x83\xC2\xB3"
	 "digo;A\xE7\xE3o",
	 "bad_header", 2},
	{"Te\xF3rica Total", "Teorica Totalx", "bad_footer", 7},
	{"Te\xF3rica Total", "Te\xC3\xB3rica Total", "bad_encoding", 7},
	{"PETROBRAS", "PETROBR\xC3\x81S", "bad_encoding", 4},
	{"PETROBRAS", "PETROBR\x81S", "bad_text", 4},
	{"PETROBRAS", "PETROBR\xC3\xA1S", "bad_encoding", 4},
	{"PETROBRAS", "PETRO\tBRAS", "bad_text", 4},
	{"PETROBRAS", "PETRO\rBRAS", "bad_text", 4},
	{"PETROBRAS", "\"PETROBRAS\"", "bad_text", 4},
	{"PETROBRAS", "  ", "bad_text", 4},
	{"PETROBRAS", "NULL", "bad_text", 4},
	{"PETROBRAS", "PETROBRAS;", "bad_row", 4},
	{"ON;4", ";4", "bad_text", 3},
	{"PETR4;", "petr4;", "bad_code", 5},
	{"PETR4;", "PETR 4;", "bad_code", 5},
	{"PETR4;", ";", "bad_code", 5},
	{"PETR4;", "PETR3;", "duplicate_code", 5},
	{"TAEE11;TAESA;", "TAEE11;", "bad_number", 6},
	{"TAEE11;TAESA;UNT     N2;", "TAEE11;", "bad_row", 6},
	{"19,500;\n", "19,500;x\n", "bad_row", 6},
	{"19,500;\n", "19,500;;\n", "bad_row", 6},
	{"19,500", "19,5", "lost_digits", 6},
	{"19,500", "19,5000", "bad_number", 6},
	{"19,500", "19.500", "lost_digits", 6},
	{"19,500", "119,500", "bad_number", 6},
	{"19,500", "-19,500", "bad_number", 6},
	{"19,500", "1e1,500", "bad_number", 6},
	{"19,500", "19,501", "sum_mismatch", 7},
	{"218.000.667", "218.000.668", "sum_mismatch", 7},
	{"218.000.667", "218.000.66", "bad_number", 6},
	{"218.000.667", "218.0000.667", "bad_number", 6},
	{"218.000.667", "218000.667", "bad_number", 6},
	{"218.000.667", "218,000,667", "bad_number", 6},
	{"218.000.667", "2,18E+08", "bad_number", 6},
	{"218.000.667", "", "bad_number", 6},
	{"218.000.667", "9.218.000.667.000.000", "bad_number", 6},
	{"10.329.223.000", "10.329.223.001", "sum_mismatch", 7},
	{"10.329.223.000", "99.999.999.999.999.999.999.999.999.999.999.999.999.999.999.999",
	 "bad_number", 7},
	{"100,000", "100", "lost_digits", 7},
	{"100,000", "99,999", "sum_mismatch", 7},
	{"19,500;\nQuantidade Te\xF3rica Total;;;10.329.223.000;100,000",
	 "19,499;\nQuantidade Te\xF3rica Total;;;10.329.223.000;99,999", "sum_mismatch", 7},
	{"Total;;;", "Total;;", "bad_footer", 7},
	{"Total;;;", "Total;x;;", "bad_footer", 7},
	{"Redutor;;;", "Redutor;;", "bad_footer", 8},
	{"Redutor", "Reduto", "bad_footer", 8},
	{ROWS, "", "no_rows", 3},
	{"PETR4;", "\nPETR4;", "bad_row", 5},
	{"\nRedutor;;;16.431.231,56745229\n", "\n", "missing_footer", 8},
	{FOOTER, "", "missing_footer", 7},
	{"Quantidade Te\xF3rica Total;;;10.329.223.000;100,000\n", "", "missing_footer", 7},
	{",56745229\n", ",56745229\nABEV3;AMBEV S/A;ON;4.111.222.333;2,000;\n", "after_footer", 9},
	{",56745229\n", ",56745229\n\n.\n", "bad_row", 9},
	{",56745229", ",5674522", "lost_digits", 8},
	{TITLE HEADER ROWS FOOTER, "  \r\n", "empty", 0},
	{TITLE HEADER ROWS FOOTER, "", "empty", 0},
	{TITLE, "\xFF\xFE", "no_title", 1},
	{TITLE, "<html><body>", "html", 0},
};

static void refuses_what_is_damaged(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		const struct damage *d = &damages[i];
		const char *text = replaced(a, plain, d->from, d->to);
		assert_string_not_equal(text, plain);
		struct err e = refusal(a, text, "IBOV");
		if (strcmp(e.reason, d->reason) != 0 || e.line != d->line)
			fail_msg(
				"\"%s\" to \"%s\": expected %s in line %d, found %s in line %d: %s",
				d->from, d->to, d->reason, (int)d->line, e.reason, (int)e.line,
				e.text);
	}
}

static void says_where(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	const char *text = replaced(a, plain, "3.999.999.999", "3.999.99x.999");
	struct err e = refusal(a, text, NULL);
	assert_int_equal(e.line, 5);
	assert_int_equal(e.column, 28);
	assert_memory_equal(text + e.offset, "3.999.99x.999", 13);
	assert_non_null(strstr(e.text, "PETR4"));
	assert_non_null(strstr(e.text, "3.999.99x.999"));
	/* With a BOM bytes and columns part ways: columns are characters of the line. */
	text = replaced(a, arena_printf(a, "\xEF\xBB\xBF%s", in_utf8(a, sector)), "218.000.667",
			"218.000.66");
	e = refusal(a, text, NULL);
	assert_int_equal(e.line, 6);
	assert_int_equal(e.column, 40);
	assert_memory_equal(text + e.offset, "218.000.66;", 11);
}

static void names_the_way_the_encoding_went_wrong(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	/* UTF-8 that was read as Latin-1 and saved as UTF-8 again. */
	struct err e = refusal(a, in_utf8(a, in_utf8(a, plain)), NULL);
	assert_string_equal(e.reason, "bad_encoding");
	assert_non_null(strstr(e.text, "read as Latin-1 and saved again"));
	e = refusal(a,
		    replaced(a, in_utf8(a, sector),
			     "C\xC3\xAD"
			     "clico",
			     "C\xC3\x83\xC2\xAD"
			     "clico"),
		    NULL);
	assert_string_equal(e.reason, "bad_encoding");
	assert_int_equal(e.line, 3);
	/* A letter that is gone for good, in a row; in a label nothing was lost. */
	e = refusal(a,
		    replaced(a, in_utf8(a, sector),
			     "C\xC3\xAD"
			     "clico",
			     "C\xEF\xBF\xBD"
			     "clico"),
		    NULL);
	assert_string_equal(e.reason, "bad_encoding");
	/* Whoever took the header's accents took the sectors' too. */
	const char *bare = replaced(a, replaced(a, replaced(a, sector, "\xF3", "o"), "\xE7", "c"),
				    "\xE3", "a");
	assert_string_equal(refusal(a, bare, NULL).reason, "bad_encoding");
	/* UTF-16 */
	static const char wide[] = "\xFF\xFEI\0B\0O\0V\0 \0-\0";
	struct portfolio p;
	assert_int_equal(portfolio_parse(SLICE(wide), NULL, a, &p, &e), ERR_INPUT);
	assert_string_equal(e.reason, "bad_encoding");
	/* Typographic signs that Latin-1 has not. */
	assert_string_equal(
		refusal(a, replaced(a, in_utf8(a, plain), "AMBEV S/A", "AMBEV \xE2\x80\x93 S/A"),
			NULL)
			.reason,
		"bad_text");
}

static const struct {
	const char *from, *to, *reason;
} json_damages[] = {
	{PAGE2, "", "missing_page"},
	{PAGE2, PAGE1, "repeated_page"},
	{PAGE2,
	 "\x1e"
	 "{\"page\":",
	 "bad_json"},
	{PAGE2, PAGE2 PAGE2, "repeated_page"},
	{"\"pageNumber\":2", "\"pageNumber\":1", "repeated_page"},
	{"\"pageNumber\":2", "\"pageNumber\":3", "bad_field"},
	{"\"pageNumber\":2", "\"pageNumber\":\"2\"", "bad_field"},
	{"\"totalRecords\":4", "\"totalRecords\":5", "wrong_count"},
	{"\"totalRecords\":4", "\"totalRecords\":null", "bad_field"},
	{"\"totalPages\":2", "\"totalPages\":3", "missing_page"},
	{"\"totalPages\":2", "\"totalPages\":1000000000", "missing_page"},
	{"\"15/07/24\"", "null", "no_date"},
	{"\"15/07/24\"", "\"hoje\"", "no_date"},
	{"\"date\":\"15/07/24\",", "", "no_date"},
	{"\"10.329.223.000\"", "\"10.329.223.001\"", "sum_mismatch"},
	{"\"100,000\"", "\"99,999\"", "sum_mismatch"},
	{"\"40,000\"", "40.000", "bad_field"},
	{"\"40,000\"", "\"40,0\"", "lost_digits"},
	{"\"40,000\"", "\"39,999\"", "sum_mismatch"},
	{"\"PETR4\"", "\"PETR3\"", "duplicate_code"},
	{"\"PETR4\"", "null", "bad_field"},
	{"\"PETR4\"", "\"PETR\\u0034\xC2\xA0\"", "bad_code"},
	{"\"cod\":\"PETR4\"", "\"cod\":\"PETR4\",\"cod\":\"PETR5\"", "bad_json"},
	{"\"asset\":\"TAESA\"", "\"asset\":\"TAES\\u0001\"", "bad_text"},
	{"\"asset\":\"TAESA\"", "\"asset\":\"TAES\xEF\xBF\xBD\"", "bad_encoding"},
	{"\"asset\":\"TAESA\"", "\"asset\":\"TAES\xC3\x83\xC2\xA1\"", "bad_encoding"},
	{"\"asset\":\"TAESA\",", "", "bad_field"},
	{"\"Petr\xC3\xB3leo\"", "7", "bad_field"},
	{"\"header\"", "\"heder\"", "not_a_portfolio"},
	{"\"theoricalQty\":\"10", "\"theoreticalQty\":\"10", "not_a_portfolio"},
	{"\"results\"", "\"result\"", "not_a_portfolio"},
};

static void refuses_damaged_json(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(json_damages); i++) {
		const char *text =
			replaced(a, PAGE1 PAGE2, json_damages[i].from, json_damages[i].to);
		assert_string_not_equal(text, PAGE1 PAGE2);
		struct err e = refusal(a, text, "IBOV");
		if (strcmp(e.reason, json_damages[i].reason) != 0)
			fail_msg("\"%s\" to \"%s\": expected %s, found %s: %s",
				 json_damages[i].from, json_damages[i].to, json_damages[i].reason,
				 e.reason, e.text);
		assert_true(e.offset >= 0 && (size_t)e.offset <= strlen(text));
	}
	struct err e = refusal(a, json, NULL);
	assert_string_equal(e.reason, "no_index");
	assert_non_null(strstr(e.text, "--index"));
	/* The header differs in the second page only. */
	assert_string_equal(refusal(a, "\x1e", "IBOV").reason, "bad_json");
	assert_string_equal(refusal(a, "\x1e\x1e", "IBOV").reason, "bad_json");
	const char *second = replaced(a, PAGE2, "16.431.231", "16.431.232");
	assert_string_equal(refusal(a, arena_printf(a, "%s%s", PAGE1, second), "IBOV").reason,
			    "pages_differ");
	e = refusal(
		a,
		"{\"page\":{\"pageNumber\":1,\"totalRecords\":null,\"totalPages\":null},\"header\":{\"date\":null},\"results\":null}",
		"IBXL");
	assert_string_equal(e.reason, "no_portfolio");
	assert_non_null(strstr(e.text, "IBXL"));
	/* The place is that of the row that is wrong. */
	const char *text = replaced(a, PAGE1 PAGE2, "218.000.667", "x");
	e = refusal(a, text, "IBOV");
	assert_memory_equal(text + e.offset, "\"cod\":\"TAEE11\"", 14);
	assert_int_equal(e.line, 2);
}

static void refuses_double_encoding(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	AUTO_BUF struct buf once = {0}, twice = {0}, quoted = {0};
	base64_encode(SLICE(plain), &once);
	base64_encode(buf_slice(&once), &twice);
	assert_string_equal(refusal(a, twice.data, NULL).reason, "double_encoded");
	buf_json_str(&quoted, once.data, once.len);
	assert_string_equal(refusal(a, quoted.data, NULL).reason, "double_encoded");
	buf_reset(&quoted);
	buf_json_str(&quoted, json, sizeof(json) - 1);
	assert_string_equal(refusal(a, quoted.data, "IBOV").reason, "double_encoded");
	once.data[once.len - 30] = '=';
	assert_string_equal(refusal(a, once.data, NULL).reason, "bad_base64");
}

static void has_ceilings(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	AUTO_BUF struct buf many = {0};
	buf_str(&many, TITLE HEADER);
	for (int i = 0; i <= PORTFOLIO_ROWS_MAX; i++)
		buf_printf(&many, "T%d;NAME;ON;999.999.999.999.999;0,000;\n", i);
	buf_str(&many, FOOTER);
	assert_string_equal(refusal(a, many.data, NULL).reason, "too_large");
	char *huge = mem_alloc(PORTFOLIO_BYTES_MAX + 2);
	memset(huge, ';', PORTFOLIO_BYTES_MAX + 1);
	assert_string_equal(refusal(a, huge, NULL).reason, "too_large");
	free(huge);
	AUTO_BUF struct buf pages = {0};
	for (int i = 1; i <= PORTFOLIO_PAGES_MAX + 1; i++)
		buf_str(&pages, PAGE1);
	assert_string_equal(refusal(a, pages.data, "IBOV").reason, "too_large");
}

/* -- every byte damaged in turn ---------------------------------------------------------------- */

struct mutation {
	const char *original;
	size_t n, at; /* the byte that was changed, deleted, or inserted before */
	const struct portfolio *good;
	size_t accepted;
};

/* Texts may change where they were changed, and the title and the divisor have no second witness;
 * numbers of rows and totals never do. */
static void never_another_number(struct mutation *m, const char *bytes, size_t n, const char *index)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct portfolio p;
	if (portfolio_parse((struct slice){bytes, n}, index, a, &p, NULL) != OK)
		return;
	m->accepted++;
	assert_int_equal(p.row_count, m->good->row_count);
	assert_int_equal(p.qtd_total, m->good->qtd_total);
	assert_int_equal(p.part_total, m->good->part_total);
	size_t texts = 0;
	for (size_t i = 0; i < p.row_count; i++) {
		const struct portfolio_row *row = &p.rows[i], *was = NULL;
		for (size_t k = 0; k < m->good->row_count; k++)
			if (m->good->rows[k].qtd_teorica == row->qtd_teorica)
				was = &m->good->rows[k];
		if (!was)
			fail_msg("row %zu has a number that was not there", i);
		assert_int_equal(row->part, was->part);
		texts += !slice_eq(row->codigo, was->codigo) + !slice_eq(row->acao, was->acao) +
			 !slice_eq(row->tipo, was->tipo) + !slice_eq(row->setor, was->setor);
	}
	bool divisor = p.redutor != m->good->redutor;
	bool title = p.session != m->good->session || strcmp(p.index, m->good->index) != 0;
	/* One byte, one thing. */
	assert_true(texts + divisor + title <= 1);
	if (divisor) {
		const char *at = strstr(m->original, "16.431.231,56745229");
		assert_true(m->at >= (size_t)(at - m->original) &&
			    m->at <= (size_t)(at - m->original) + 19);
	}
}

static void mutate(const char *text, const char *index)
{
	static const char changes[] = "09A;,. \"\n\x1e}\x80\xC3\xF3";
	AUTO_ARENA struct arena *a = arena_new();
	struct portfolio good = accepted(a, text, index);
	struct mutation m = {.original = text, .n = strlen(text), .good = &good};
	char *bytes = mem_alloc(m.n + 2);
	for (m.at = 0; m.at <= m.n; m.at++) {
		for (size_t c = 0; c < sizeof(changes); c++) {
			memcpy(bytes, text, m.at);
			bytes[m.at] = changes[c];
			memcpy(bytes + m.at + 1, text + m.at, m.n - m.at);
			never_another_number(&m, bytes, m.n + 1, index);
			if (m.at == m.n)
				continue;
			memcpy(bytes + m.at + 1, text + m.at + 1, m.n - m.at - 1);
			never_another_number(&m, bytes, m.n, index);
		}
		if (m.at < m.n) {
			memcpy(bytes, text, m.at);
			memcpy(bytes + m.at, text + m.at + 1, m.n - m.at - 1);
			never_another_number(&m, bytes, m.n - 1, index);
			/* cut here */
			never_another_number(&m, text, m.at, index);
		}
	}
	/* Padding and names do let some through, or this test would show nothing. */
	assert_true(m.accepted > 10);
	free(bytes);
}

static void no_damaged_byte_of_csv_is_another_number(void **state)
{
	mutate(plain, NULL);
}

static void no_damaged_byte_of_sectors_is_another_number(void **state)
{
	mutate(sector, "IBOV");
}

static void no_damaged_byte_of_json_is_another_number(void **state)
{
	mutate(PAGE1 PAGE2, "IBOV");
}

/* -- recorded files ---------------------------------------------------------------------------- */

static const char *shared_file(struct arena *a, const char *folder, const char *name,
			       struct buf *out)
{
	const char *root = getenv("PREGAO_SHARED_DATA");
	const char *path = arena_printf(a, "%s/%s/%s", root, folder, name);
	struct err e = ERR_INIT;
	if (file_read(path, PORTFOLIO_BYTES_MAX, out, &e) != OK)
		fail_msg("%s: %s", path, e.text);
	return path;
}

/* Whole numbers of a column, counted the simple way: from its digits. */
static int64_t digits_of(const char *p, size_t n)
{
	int64_t value = 0;
	for (size_t i = 0; i < n; i++)
		if (p[i] >= '0' && p[i] <= '9')
			value = value * 10 + (p[i] - '0');
	return value;
}

static void check_recorded(struct arena *a, const char *folder, const char *name)
{
	AUTO_BUF struct buf bytes = {0};
	shared_file(a, folder, name, &bytes);
	struct portfolio p = accepted(a, bytes.data, NULL);
	bool sectors = strcmp(folder, "portfolio-sector") == 0;
	size_t rows = 0, line_number = 0;
	int64_t quantity = 0, share = 0;
	for (struct slice rest = buf_slice(&bytes); rest.n;) {
		struct slice line = slice_cut(&rest, '\n');
		if (++line_number <= 2 || slice_starts(line, "Quantidade") ||
		    slice_starts(line, "Redutor"))
			continue;
		for (int i = 0; i < 3 + sectors; i++)
			slice_cut(&line, ';');
		struct slice field = slice_cut(&line, ';');
		quantity += digits_of(field.p, field.n);
		field = slice_cut(&line, ';');
		share += digits_of(field.p, field.n);
		rows++;
	}
	assert_int_equal(p.row_count, rows);
	assert_int_equal(p.qtd_total, quantity);
	assert_int_equal(share, 100000);
	assert_int_equal(p.has_sectors, sectors);
	/* IBOVDia_2024-07-15.csv */
	char date[DATE_TEXT_SIZE];
	const char *dia = strstr(name, "Dia_");
	assert_non_null(dia);
	assert_memory_equal(p.index, name, (size_t)(dia - name));
	assert_memory_equal(date_format(p.session, date), dia + 4, 10);
	/* Saved again as UTF-8 with a BOM it still says the same. */
	AUTO_BUF struct buf utf8 = {0};
	buf_str(&utf8, "\xEF\xBB\xBF");
	buf_latin1(&utf8, bytes.data, bytes.len);
	assert_string_equal(accepted(a, utf8.data, p.index).content, p.content);
}

static size_t for_each_recorded(const char *folder,
				void (*check)(struct arena *, const char *folder, const char *name))
{
	const char *root = getenv("PREGAO_SHARED_DATA");
	AUTO_BUF struct buf path = {0};
	size_t n = 0;
	buf_printf(&path, "%s/%s", root, folder);
	DIR *dir = opendir(path.data);
	if (!dir)
		return 0;
	for (const struct dirent *d; (d = readdir(dir));)
		if (d->d_name[0] != '.') {
			AUTO_ARENA struct arena *a = arena_new();
			check(a, folder, d->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

static void reads_all_recorded(void **state)
{
	if (!getenv("PREGAO_SHARED_DATA"))
		skip();
	assert_true(for_each_recorded("portfolio", check_recorded) >= 32);
	assert_true(for_each_recorded("portfolio-sector", check_recorded) >= 4);
}

/* What is wrong with the files that people damaged, by the number they begin with. */
static const struct {
	const char *name, *reason; /* NULL: whole, and read as such */
	size_t rows;
} damaged[] = {
	{"01", NULL, 91},
	{"03", "lost_digits", 0},
	{"05", NULL, 112},
	{"07", "no_title", 0},
	{"09", "no_title", 0},
	{"11", "no_title", 0},
	{"13", "no_title", 0},
	{"15", "no_title", 0},
	{"17", "no_title", 0},
	{"19", "no_title", 0},
	{"21", "no_title", 0},
	{"23", "no_title", 0},
	{"25", "no_title", 0},
	{"27", "no_title", 0},
	{"29", "not_a_portfolio", 0},
	{"31", "no_title", 0},
	{"33", "no_title", 0},
	{"35", "not_a_portfolio", 0},
	{"GetPortfolioDay", "bad_json", 0},
	{"GetStockIndex", "not_a_portfolio", 0},
	{"GetTheor", "no_date", 0},
	{"indexPage", "html", 0},
};

static void check_damaged(struct arena *a, const char *folder, const char *name)
{
	AUTO_BUF struct buf bytes = {0};
	shared_file(a, folder, name, &bytes);
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
		if (strncmp(name, damaged[i].name, strlen(damaged[i].name)) != 0)
			continue;
		if (damaged[i].reason)
			assert_string_equal(refusal(a, bytes.data, NULL).reason, damaged[i].reason);
		else
			assert_int_equal(accepted(a, bytes.data, NULL).row_count, damaged[i].rows);
		return;
	}
	fail_msg("%s/%s: what is expected of it?", folder, name);
}

static void reads_or_refuses_all_damaged(void **state)
{
	if (!getenv("PREGAO_SHARED_DATA"))
		skip();
	assert_true(for_each_recorded("portfolio-damaged", check_damaged) >= 18);
	assert_true(for_each_recorded("portfolio-json", check_damaged) >= 4);
}

static void base64_is_strict(void **state)
{
	static const struct {
		const char *text, *bytes; /* NULL: refused */
	} cases[] = {
		{"", ""},
		{"Zg==", "f"},
		{"Zm8=", "fo"},
		{"Zm9v", "foo"},
		{"Zm9v\r\nYg==\n", "foob"},
		{"Zm9vYmFy", "foobar"},
		{"Zg=", NULL},
		{"Zg", NULL},
		{"Z", NULL},
		{"Zh==", NULL},
		{"Zm9=", NULL},
		{"Zg==Zg==", NULL},
		{"=Zg=", NULL},
		{"Z===", NULL},
		{"Zm 9", NULL},
		{"Zm9v=", NULL},
		{"Zm9_", NULL},
		{" Zg==", NULL},
		{"Zg===", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF struct buf out = {0}, back = {0};
		size_t at;
		bool ok = base64_decode(slice_of(cases[i].text), &out, &at);
		if (ok != (cases[i].bytes != NULL))
			fail_msg("\"%s\"", cases[i].text);
		if (ok)
			assert_true(slice_is(buf_slice(&out), cases[i].bytes));
		if (ok && !strchr(cases[i].text, '\n')) {
			base64_encode(slice_of(cases[i].bytes), &back);
			assert_true(slice_is(buf_slice(&back), cases[i].text));
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_portfolio),
		cmocka_unit_test(every_form_has_the_same_content),
		cmocka_unit_test(base64_is_landed_decoded),
		cmocka_unit_test(sectors_are_read_but_do_not_count),
		cmocka_unit_test(odd_divisors),
		cmocka_unit_test(refuses_what_is_damaged),
		cmocka_unit_test(says_where),
		cmocka_unit_test(names_the_way_the_encoding_went_wrong),
		cmocka_unit_test(refuses_damaged_json),
		cmocka_unit_test(refuses_double_encoding),
		cmocka_unit_test(has_ceilings),
		cmocka_unit_test(no_damaged_byte_of_csv_is_another_number),
		cmocka_unit_test(no_damaged_byte_of_sectors_is_another_number),
		cmocka_unit_test(no_damaged_byte_of_json_is_another_number),
		cmocka_unit_test(reads_all_recorded),
		cmocka_unit_test(reads_or_refuses_all_damaged),
		cmocka_unit_test(base64_is_strict),
	};
	return RUN_TESTS("b3_portfolio");
}
