/* What must hold of every portfolio that the parser accepts, whatever bytes it came from. For
 * fuzz_portfolio_*.c. */
#ifndef PREGAO_FUZZ_PORTFOLIO_H
#define PREGAO_FUZZ_PORTFOLIO_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b3_portfolio.h"

#define MUST(condition)                                                                         \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* Said again as CSV, it must be the same portfolio. */
static inline void check_said_again(const struct portfolio *p, struct arena *arena)
{
	AUTO_BUF struct buf text = {0};
	char number[DECIMAL_TEXT_SIZE];
	int year, month, day;
	date_split(p->session, &year, &month, &day);
	buf_printf(
		&text,
		"%s - Carteira do Dia %02d/%02d/%02d\nCódigo;Ação;Tipo;Qtde. Teórica;Part. (%%)\n",
		p->index, day, month, year % 100);
	for (size_t i = 0; i < p->row_count; i++) {
		const struct portfolio_row *row = &p->rows[i];
		if (memchr(row->acao.p, ';', row->acao.n) || memchr(row->tipo.p, ';', row->tipo.n))
			return; /* JSON can say what CSV cannot */
		for (size_t k = 0; k < row->acao.n; k++)
			if ((unsigned char)row->acao.p[k] > 0xC3)
				return;
		for (size_t k = 0; k < row->tipo.n; k++)
			if ((unsigned char)row->tipo.p[k] > 0xC3)
				return;
		buf_printf(&text, "%s;%s;%s;%lld;%lld,%03lld;\n", row->codigo.p, row->acao.p,
			   row->tipo.p, (long long)row->qtd_teorica, (long long)(row->part / 1000),
			   (long long)(row->part % 1000));
	}
	decimal_format(p->redutor, 8, number);
	*strchr(number, '.') = ',';
	buf_printf(&text, "Quantidade Teórica Total;;;%lld;100,000\nRedutor;;;%s\n",
		   (long long)p->qtd_total, number);
	struct portfolio again;
	MUST(portfolio_parse(buf_slice(&text), p->index, arena, &again, NULL) == OK);
	MUST(strcmp(again.content, p->content) == 0);
}

static inline void check_portfolio(const struct portfolio *p, struct arena *arena)
{
	int128 quantities = 0, shares = 0;
	MUST(p->row_count >= 1 && p->row_count <= PORTFOLIO_ROWS_MAX);
	MUST(portfolio_index_ok(slice_of(p->index)));
	for (size_t i = 0; i < p->row_count; i++) {
		const struct portfolio_row *row = &p->rows[i];
		MUST(portfolio_index_ok(row->codigo));
		MUST(row->acao.n && str_is_utf8(row->acao.p, row->acao.n));
		MUST(row->tipo.n && str_is_utf8(row->tipo.p, row->tipo.n));
		MUST(!row->setor.n || str_is_utf8(row->setor.p, row->setor.n));
		MUST(row->qtd_teorica >= 0 && row->part >= 0);
		MUST(!i || strcmp(row[-1].codigo.p, row->codigo.p) < 0);
		quantities += row->qtd_teorica;
		shares += row->part;
	}
	MUST(quantities == p->qtd_total && shares == PORTFOLIO_WHOLE &&
	     p->part_total == PORTFOLIO_WHOLE && p->redutor > 0);
	check_said_again(p, arena);
}

static inline void fuzz_portfolio(const uint8_t *bytes, size_t n, const char *index)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct portfolio p;
	struct err e = ERR_INIT;
	int rc = portfolio_parse((struct slice){(const char *)bytes, n}, index, arena, &p, &e);
	if (rc == OK) {
		check_portfolio(&p, arena);
		return;
	}
	MUST(rc == ERR_INPUT && e.code == rc && e.reason[0] && e.text[0]);
	MUST(e.offset >= -1 && str_is_utf8(e.text, strlen(e.text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
