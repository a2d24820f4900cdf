/* The fields of a portfolio, whatever the form they came in: numbers, codes and text, each checked
 * and refused with its place. For the parsers b3_portfolio*.c only. */
#ifndef PREGAO_B3_PORTFOLIO_FIELD_H
#define PREGAO_B3_PORTFOLIO_FIELD_H

#include "b3_portfolio.h"
#include "shown.h"
#include "tr.h"

/* Where something stands in the payload; line and column from 1, offset from 0; 0, 0, -1 when
 * unknown. */
struct place {
	int64_t line, column, offset;
};
/* Puts reason and place on an error that was just set; returns its code. */
static inline int refused(struct err *e, const char *reason, struct place at)
{
	err_reason(e, reason);
	return err_at(e, at.line, at.column, at.offset);
}

/* A field and what to call it in a message. Text is UTF-8 already. */
struct field_at {
	struct slice text;
	const char *name; /* "Qtde. Teórica" or "theoricalQty": as the payload names it */
	const char *of;   /* codigo of the row, or what else it belongs to */
	struct place place;
};
int portfolio_quantity(struct arena *, const struct field_at *, int64_t *ret,
		       struct err *) MUST_CHECK;
/* three decimals, 0 to 100 */
int portfolio_share(struct arena *, const struct field_at *, int64_t *ret, struct err *) MUST_CHECK;
int portfolio_redutor(struct arena *, const struct field_at *, int128 *ret,
		      struct err *) MUST_CHECK; /* eight decimals */
/* DD/MM/YY of this century */
int portfolio_date(struct arena *, const struct field_at *, int32_t *ret, struct err *) MUST_CHECK;
int portfolio_codigo(struct arena *, const struct field_at *, struct slice *ret,
		     struct err *) MUST_CHECK;
/* Text of a row. Trailing blanks go, leading ones too unless keep_leading. latin: only what Latin-1
 * has may be in it. */
int portfolio_text(struct arena *, const struct field_at *, bool may_be_empty, bool keep_leading,
		   bool latin, struct slice *ret, struct err *) MUST_CHECK;
/* Refuses text that went through the wrong encoding: replacement characters, and UTF-8 that was
 * read as Latin-1. */
int portfolio_encoding(struct arena *, const struct field_at *, struct err *) MUST_CHECK;

/* The two forms' parsers. text is without its BOM; skipped is how many bytes stood before it. They
 * fill index, session, rows, totals and the places of the totals; portfolio_parse does what is
 * common to both. */
struct portfolio_draft {
	struct portfolio *portfolio;
	struct arena *arena;
	const char *index; /* the caller's word, or NULL */
	size_t cap;
	size_t skipped;
	struct place qtd_total_at, part_total_at;
};
struct portfolio_row *draft_row(struct portfolio_draft *); /* NULL over PORTFOLIO_ROWS_MAX */
int portfolio_parse_csv(struct portfolio_draft *, struct slice text, struct err *) MUST_CHECK;
int portfolio_parse_json(struct portfolio_draft *, struct slice text, struct err *) MUST_CHECK;

#endif
