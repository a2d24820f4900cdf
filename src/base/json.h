/* JSON through jansson: parsing with limits and places, typed access that says which field was
 * wrong. */
#ifndef PREGAO_JSON_H
#define PREGAO_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

/* Parses one document of n bytes (duplicate keys are refused; trailing bytes are refused).
 * ERR_INPUT with line, column and offset. The caller owns *ret and calls json_decref. */
int json_parse(const char *bytes, size_t n, json_t **ret, struct err *) MUST_CHECK;
/* The member `key` of object `o` as the type; ERR_INPUT naming the key when missing or of another
 * type. Strings are borrowed. */
int json_get_str(const json_t *o, const char *key, const char **ret, struct err *) MUST_CHECK;
int json_get_int(const json_t *o, const char *key, int64_t *ret, struct err *) MUST_CHECK;
int json_get_array(const json_t *o, const char *key, json_t **ret, struct err *) MUST_CHECK;
int json_get_object(const json_t *o, const char *key, json_t **ret, struct err *) MUST_CHECK;
const char *json_opt_str(const json_t *o, const char *key, const char *fallback);
/* A text from outside as a string: what is not UTF-8 is read as Latin-1; NULL gives null. */
json_t *json_text(const char *);
/* Compact text with sorted keys: the same document always gives the same bytes. */
void json_canonical(const json_t *, struct buf *out);
void json_decref_cleanup(json_t **);
#define AUTO_JSON CLEANUP(json_decref_cleanup)

#endif
