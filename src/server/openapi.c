/* The table of routes as an OpenAPI 3.1 description. */
#include <string.h>

#include "json.h"
#include "route.h"

static json_t *schema_of(const struct parameter *p)
{
	static const char *const patterns[] = {
		[KIND_NAME] = "^[A-Za-z0-9_][A-Za-z0-9_-]*$",
		[KIND_TABLE] = "^[A-Za-z0-9_]+\\.[A-Za-z0-9_]+$",
		[KIND_NUMBER] = "^[0-9]{1,18}$",
		[KIND_DATE] = NULL,
		[KIND_TIME] = "^[0-9][A-Za-z0-9]{0,11}$",
	};
	json_t *s = json_object();
	json_object_set_new(s, "type", json_string("string"));
	if (p->kind == KIND_CHOICE) {
		json_t *list = json_array();
		struct slice rest = slice_of(p->choices);
		while (rest.n) {
			struct slice one = slice_cut(&rest, '|');
			json_array_append_new(list, json_stringn(one.p, one.n));
		}
		json_object_set_new(s, "enum", list);
	} else if (p->kind == KIND_FLAG) {
		json_object_set_new(s, "enum", json_pack("[s]", "true"));
	} else if (p->kind == KIND_DATE) {
		json_object_set_new(s, "format", json_string("date"));
	} else if (p->kind != KIND_TEXT) {
		json_object_set_new(s, "pattern", json_string(patterns[p->kind]));
	}
	json_object_set_new(s, "maxLength", json_integer(ROUTE_VALUE_MAX));
	return s;
}

static void add_parameter(json_t *list, const struct parameter *p)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", p->name, "in",
					      p->in == IN_PATH ? "path" : "query", "required",
					      p->in == IN_PATH, "description", p->doc, "schema",
					      schema_of(p)));
}

static json_t *answers(const struct route *r)
{
	json_t *all = json_object();
	static const struct {
		const char *status, *doc;
	} failures[] = {
		{"400", "a parameter or the body is wrong"},
		{"401", "the token is missing or wrong"},
		{"403", "from another page, or for another host"},
		{"404", "what is named does not exist"},
		{"409", "somebody else is doing it"},
		{"413", "the body is too large"},
		{"422", "what was given was read and refused"},
		{"500", "the command failed"},
		{"503", "too much at once, or no room"},
	};
	json_object_set_new(all, "200", json_pack("{s:s}", "description", r->doc));
	for (size_t i = 0; i < ARRAY_LEN(failures); i++)
		json_object_set_new(all, failures[i].status,
				    json_pack("{s:s}", "description", failures[i].doc));
	return all;
}

static json_t *operation(const struct route *r)
{
	json_t *o = json_pack("{s:s, s:o}", "summary", r->doc, "responses", answers(r));
	json_t *list = json_array();
	for (const struct parameter *p = r->parameters; p->name; p++)
		add_parameter(list, p);
	if (r->formats)
		add_parameter(list, &route_format);
	json_object_set_new(o, "parameters", list);
	if (r->body)
		json_object_set_new(o, "requestBody",
				    json_pack("{s:s, s:b, s:{s:{s:{s:s}}}}", "description", r->body,
					      "required", 1, "content", "text/plain", "schema",
					      "type", "string"));
	return o;
}

void route_openapi(struct buf *out)
{
	json_t *paths = json_object();
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		json_t *path = json_object_get(paths, r->path);
		if (!path) {
			path = json_object();
			json_object_set_new(paths, r->path, path);
		}
		json_object_set_new(path, strcmp(r->method, "GET") == 0 ? "get" : "post",
				    operation(r));
	}
	AUTO_JSON json_t *all =
		json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}, s:[{s:[]}]}", "openapi",
			  "3.1.0", "info", "title", "pregao", "version", PREGAO_VERSION, "paths",
			  paths, "components", "securitySchemes", "token", "type", "http", "scheme",
			  "bearer", "security", "token");
	char *text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
	buf_str(out, text ? text : "{}");
	free(text);
}
