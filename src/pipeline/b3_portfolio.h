/* B3's theoretical portfolio of the day ("carteira do dia"): from the bytes, in any of the forms B3
 * serves, to checked rows. The forms and their oddities: https://sistemaswebb3-listados.b3.com.br,
 * GetPortfolioDay and GetDownloadPortfolioDay. */
#ifndef PREGAO_B3_PORTFOLIO_H
#define PREGAO_B3_PORTFOLIO_H

#include "source.h"
#include "value.h"

#define PORTFOLIO_INDEX_MAX 12 /* letters and digits of an index code */
#define PORTFOLIO_BYTES_MAX (16u << 20)
#define PORTFOLIO_ROWS_MAX  10000
#define PORTFOLIO_PAGES_MAX 50
#define PORTFOLIO_WHOLE     100000 /* 100,000 %: what the shares must add up to */

enum portfolio_form { PORTFOLIO_CSV, PORTFOLIO_CSV_SECTOR, PORTFOLIO_JSON };

/* Text is UTF-8. Blanks at both ends are padding and gone, but for a type's leading ones, whose
 * places mean something; inner blanks are as sent. */
struct portfolio_row {
	struct slice codigo, acao, tipo;
	struct slice setor; /* empty: the form has none */
	int64_t qtd_teorica;
	int64_t part;         /* thousandths of a percent */
	int64_t line, offset; /* where it stands in the payload; offset from 0 */
};
struct portfolio {
	enum portfolio_form form;
	char index[PORTFOLIO_INDEX_MAX + 1];
	int32_t session; /* days since 1970, from the payload's own header */
	bool has_sectors;
	struct portfolio_row *rows; /* sorted by codigo, which is unique */
	size_t row_count;
	int64_t qtd_total;
	int64_t part_total;          /* always PORTFOLIO_WHOLE */
	int128 redutor;              /* scaled by 1e8 */
	struct slice landed;         /* the payload's bytes, base64 undone */
	char content[HASH_HEX_SIZE]; /* over index, session, rows without sectors, and totals */
};

/* Reads a payload. index (may be NULL) is what the caller says it is: JSON does not say, CSV must
 * agree. Accepts only what reconciles: the quantities add up to the footer, the shares to 100.000.
 * ERR_INPUT with one of the reasons: empty too_large html not_a_portfolio double_encoded bad_base64
 * bad_encoding no_title no_index wrong_index no_date bad_header bad_row bad_code bad_text
 * bad_number lost_digits duplicate_code missing_footer bad_footer no_rows sum_mismatch after_footer
 *   bad_json bad_field missing_page repeated_page pages_differ wrong_count no_portfolio
 * Rows live in the arena; they do not point into bytes. */
int portfolio_parse(struct slice bytes, const char *index, struct arena *, struct portfolio *ret,
		    struct err *) MUST_CHECK;

/* Whether the word can be an index code. */
bool portfolio_index_ok(struct slice);

extern const struct table_def b3_portfolio_table;       /* raw.portfolio */
extern const struct table_def b3_portfolio_total_table; /* raw.portfolio_total */
extern const struct source b3_portfolio_source;

#endif
