/* Reading which tickers to ask: "binance", "binance/BTCEUR", "binance=http://127.0.0.1:8000/ticker". */
#include "bitcoin_asked.h"

#include <string.h>

#include "http.h"
#include "value.h"

#define SOURCES_MAX 256 /* each has a thread */

/* What can never be asked is a wrong word, not a gap in every slot. */
static int check_address(const char *url, struct err *e)
{
	int rc = http_url_check(url, e);
	if (rc == ERR_DENIED)
		rc = e->code = ERR_USAGE;
	return rc ? err_where(e, url) : OK;
}

static int read_source(const struct conf *conf, const char *word, struct arena *arena,
		       struct collect_source *ret, struct err *e)
{
	struct slice rest = slice_of(word);
	struct slice name = slice_cut(&rest, '=');
	struct slice pair = name;
	name = slice_cut(&pair, '/');
	*ret = (struct collect_source){
		.source = bitcoin_source_find(arena_strndup(arena, name.p, name.n)),
		.pair = pair.n ? arena_strndup(arena, pair.p, pair.n) : NULL,
		.url = rest.n ? arena_strndup(arena, rest.p, rest.n) : NULL,
		.deadline_us = conf_duration_us(conf, "bitcoin", "deadline")};
	if (ret->source)
		return ret->url ? check_address(ret->url, e) : OK;
	AUTO_BUF struct buf names = {0};
	for (size_t i = 0; i < bitcoin_source_count; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", bitcoin_sources[i].name);
	return err_set(e, ERR_USAGE, "there is no Bitcoin source `%.*s`; there are: %s",
		       SLICE_FMT(name), names.data);
}

static const char *pair_of(const struct collect_source *s)
{
	return s->pair ? s->pair : s->source->pair;
}

static int read_period(const struct conf *conf, const char *given, int64_t *ret, struct err *e)
{
	*ret = conf_duration_us(conf, "bitcoin", "period");
	if ((given && !duration_parse(slice_of(given), ret)) || *ret < 1000000 ||
	    *ret > INT64_C(86400000000))
		err_set(e, ERR_USAGE, "--period %s: expected 1s to 24h",
			given ? given : conf_shown(conf, "bitcoin", "period"));
	else
		return OK;
	return given ? ERR_USAGE : err_where(e, conf_origin(conf, "bitcoin", "period"));
}

int bitcoin_asked(const struct conf *conf, const char *sources, const char *period,
		  struct arena *arena, struct collect_source **ret, size_t *ret_count,
		  struct err *e)
{
	const char *const *list = conf_list(conf, "bitcoin", "sources");
	struct collect_source *all = ANEW_ARRAY(arena, SOURCES_MAX, struct collect_source);
	struct slice rest = slice_of(sources);
	size_t n = 0;
	int64_t period_us;
	while (sources ? rest.n > 0 : *list != NULL) {
		struct slice word = sources ? slice_cut(&rest, '\n') : slice_of(*list++);
		if (n == SOURCES_MAX)
			return err_set(e, ERR_USAGE, "more than %d sources", SOURCES_MAX);
		int rc = read_source(conf, arena_strndup(arena, word.p, word.n), arena, &all[n], e);
		if (rc)
			return sources ? rc : err_where(e, conf_origin(conf, "bitcoin", "sources"));
		for (size_t i = 0; i < n; i++)
			if (all[i].source == all[n].source &&
			    strcmp(pair_of(&all[i]), pair_of(&all[n])) == 0) {
				err_set(e, ERR_USAGE,
					"the source %s is given twice for the pair %s; another pair is %s/PAIR=URL",
					all[n].source->name, pair_of(&all[n]), all[n].source->name);
				return sources ? ERR_USAGE
					       : err_where(e,
							   conf_origin(conf, "bitcoin", "sources"));
			}
		n++;
	}
	if (n == 0) {
		err_set(e, ERR_USAGE,
			"there is no Bitcoin source to ask: [bitcoin] sources is empty");
		return err_where(e, conf_origin(conf, "bitcoin", "sources"));
	}
	int rc = read_period(conf, period, &period_us, e);
	for (size_t i = 0; i < n; i++)
		all[i].period_us = period_us;
	*ret = all;
	*ret_count = n;
	return rc;
}
