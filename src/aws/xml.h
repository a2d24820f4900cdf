/* XML answers of AWS as a tree, by expat. Names as they are written, without attributes; namespaces
 * are not looked at. */
#ifndef PREGAO_AWS_XML_H
#define PREGAO_AWS_XML_H

#include "err.h"
#include "mem.h"
#include "str.h"

struct xml {
	const char *name;
	const char *text; /* of an element without elements in it; else "" */
	struct xml *first, *next;
};
/* The root element, in the arena. ERR_INPUT for what is not well formed, has a document type, or is
 * nested or populated beyond all answers of AWS. */
int xml_parse(struct slice, struct arena *, const struct xml **ret, struct err *) MUST_CHECK;
/* The text of the first child of that name, or ""; x may be NULL. */
const char *xml_text(const struct xml *, const char *name);
/* Appends s so that it may stand as an element's text. */
void xml_escape(const char *s, struct buf *out);

#endif
