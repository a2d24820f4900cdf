/* expat's events as a tree in an arena, with ceilings on depth and number. */
#include "xml.h"

#include <string.h>

#include <expat.h>

/* An answer of ListObjectsV2 has 1,000 objects of up to ten elements. */
#define NODES_MAX 100000
#define DEPTH_MAX 32

struct parse {
	XML_Parser parser;
	struct arena *arena;
	struct xml *root, *open[DEPTH_MAX], *last[DEPTH_MAX]; /* last: the latest child of each */
	size_t depth, nodes;
	struct buf text;
	const char *refused;
};

static void refuse(struct parse *p, const char *why)
{
	if (!p->refused)
		p->refused = why;
	XML_StopParser(p->parser, XML_FALSE);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct parse *p = ctx;
	if (p->depth == DEPTH_MAX || p->nodes == NODES_MAX) {
		refuse(p, p->depth == DEPTH_MAX ? "nested too deep" : "too many elements");
		return;
	}
	struct xml *x = ANEW(p->arena, struct xml);
	x->name = arena_strdup(p->arena, name);
	x->text = "";
	if (p->depth == 0)
		p->root = x;
	else if (p->last[p->depth - 1])
		p->last[p->depth - 1]->next = x;
	else
		p->open[p->depth - 1]->first = x;
	if (p->depth)
		p->last[p->depth - 1] = x;
	p->last[p->depth] = NULL;
	p->open[p->depth++] = x;
	p->nodes++;
	buf_reset(&p->text);
}

static void on_end(void *ctx, const XML_Char *name)
{
	struct parse *p = ctx;
	struct xml *x = p->open[--p->depth];
	if (!x->first && p->text.len)
		x->text = arena_strndup(p->arena, p->text.data, p->text.len);
	buf_reset(&p->text);
}

static void on_text(void *ctx, const XML_Char *s, int n)
{
	struct parse *p = ctx;
	buf_add(&p->text, s, (size_t)n);
}

/* AWS sends none, and entities that stand for others come from there. */
static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
		       const XML_Char *public, int internal)
{
	refuse(ctx, "a document type");
}

int xml_parse(struct slice s, struct arena *arena, const struct xml **ret, struct err *e)
{
	struct parse p = {.arena = arena, .parser = XML_ParserCreate("UTF-8")};
	if (!p.parser)
		return err_set(e, ERR_LIMIT, "out of memory");
	XML_SetUserData(p.parser, &p);
	XML_SetElementHandler(p.parser, on_start, on_end);
	XML_SetCharacterDataHandler(p.parser, on_text);
	XML_SetStartDoctypeDeclHandler(p.parser, on_doctype);
	int rc = OK;
	if (s.n > INT32_MAX)
		rc = err_set(e, ERR_LIMIT, "an XML document of %zu bytes", s.n);
	else if (XML_Parse(p.parser, s.p, (int)s.n, XML_TRUE) != XML_STATUS_OK) {
		int64_t line = (int64_t)XML_GetCurrentLineNumber(p.parser);
		int64_t column = (int64_t)XML_GetCurrentColumnNumber(p.parser) + 1;
		err_set(e, ERR_INPUT, "this is no XML that AWS sends: %s",
			p.refused ? p.refused : XML_ErrorString(XML_GetErrorCode(p.parser)));
		rc = err_at(e, line, column, XML_GetCurrentByteIndex(p.parser));
	}
	XML_ParserFree(p.parser);
	buf_free(&p.text);
	if (rc == OK)
		*ret = p.root;
	return rc;
}

static const struct xml *xml_child(const struct xml *x, const char *name)
{
	for (x = x ? x->first : NULL; x; x = x->next)
		if (strcmp(x->name, name) == 0)
			return x;
	return NULL;
}

const char *xml_text(const struct xml *x, const char *name)
{
	const struct xml *child = xml_child(x, name);
	return child ? child->text : "";
}

void xml_escape(const char *s, struct buf *out)
{
	for (; *s; s++) {
		switch (*s) {
		case '&': buf_str(out, "&amp;"); break;
		case '<': buf_str(out, "&lt;"); break;
		case '>': buf_str(out, "&gt;"); break;
		case '\r': buf_str(out, "&#13;"); break;
		default: buf_char(out, *s); break;
		}
	}
}
