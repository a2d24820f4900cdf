/* Fetching a portfolio of the day from B3's index service, which fails in many ways and must never
 * be believed half. */
#ifndef PREGAO_B3_FETCH_H
#define PREGAO_B3_FETCH_H

#include "source.h"

#define B3_BASE_URL "https://sistemaswebb3-listados.b3.com.br/indexProxy/indexCall/"

/* Tries the forms in order, "day" (GetPortfolioDay, all pages, with sectors) and "download"
 * (GetDownloadPortfolioDay): the next one when one fails for good. The payload is one page's bytes,
 * several pages as a JSON text sequence (RFC 7464), or the decoded CSV. ERR_NOT_FOUND (reason
 * no_portfolio): B3 lists no portfolio for the index, and the other form, asked once, has none
 * either. ERR_RETRY: it kept failing until the policy ended. ERR_INPUT: a final answer that is none
 * (404 and other 4xx). ERR_LIMIT: a body, a number of pages or a wait over its ceiling. ERR_USAGE:
 * not an index code, or a form that is not known. ERR_DENIED: the URL or the certificate is not
 * acceptable. */
int b3_fetch_portfolio(const struct fetch *, const char *index, struct arena *, struct payload *ret,
		       struct err *) MUST_CHECK;

extern const char *const b3_fetch_forms[];

#endif
