/* The front end's files, from within the program. An asset's name has a hash of what it is, so it may be kept for ever;
 * the page itself is made anew each time, for its nonce. */
#include <string.h>
#include <sys/random.h>

#include "request.h"
#include "tr.h"
#include "web.h"

#define NONCE      "__NONCE__"
#define NONCE_SIZE 33

static const struct bundled_file *find(const char *path)
{
	size_t from = 0, to = web_files_count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int c = strcmp(path, web_files[middle].path);
		if (c == 0)
			return &web_files[middle];
		if (c < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

static const char *type_of(const char *path)
{
	static const char *const types[][2] = {
		{".js", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".svg", "image/svg+xml"},
	};
	const char *dot = strrchr(path, '.');
	for (size_t i = 0; dot && i < ARRAY_LEN(types); i++)
		if (strcmp(dot, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

/* Whether a list such as "gzip, deflate, br;q=0.9" has the word, and not with a weight of nothing. */
static bool accepts(const char *list, const char *word)
{
	struct slice rest = slice_of(list);
	size_t n = strlen(word);
	while (rest.n) {
		struct slice one = slice_cut(&rest, ',');
		while (one.n && one.p[0] == ' ') {
			one.p++;
			one.n--;
		}
		if (one.n < n || strncmp(one.p, word, n) != 0)
			continue;
		if (one.n == n || one.p[n] == ' ')
			return true;
		if (one.p[n] == ';')
			return !memmem(one.p, one.n, "q=0", 3) ||
			       memmem(one.p, one.n, "q=0.", 4) != NULL;
	}
	return false;
}

static enum MHD_Result reply_page(struct request *r, const struct bundled_file *page)
{
	unsigned char bytes[(NONCE_SIZE - 1) / 2];
	char nonce[NONCE_SIZE];
	AUTO_BUF struct buf text = {0};
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return reply_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "IO",
				   tr("no random numbers for a page"));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
	const char *from = (const char *)page->data, *end = from + page->size, *at;
	while ((at = memmem(from, (size_t)(end - from), NONCE, strlen(NONCE))) != NULL) {
		buf_add(&text, from, (size_t)(at - from));
		buf_str(&text, nonce);
		from = at + strlen(NONCE);
	}
	buf_add(&text, from, (size_t)(end - from));
	struct MHD_Response *response =
		mhd.create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_COPY);
	mhd.add_response_header(response, "Content-Type", "text/html; charset=utf-8");
	mhd.add_response_header(
		response, "Content-Security-Policy",
		arena_printf(
			r->arena,
			"default-src 'self'; style-src 'self' 'nonce-%s'; img-src 'self' data: blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
			nonce));
	return reply(r, MHD_HTTP_OK, response);
}

static enum MHD_Result reply_none(struct request *r)
{
	static const char text[] =
		"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>pregao</title>"
		"<h1>pregao</h1><p>This program was built without its front end, for want of Node 18.20 or newer; with it, <code>make</code> "
		"builds it. The API is here all the same: <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p></html>";
	return reply_bytes(r, MHD_HTTP_OK, "text/html; charset=utf-8", slice_of(text));
}

static enum MHD_Result reply_asset(struct request *r)
{
	const char *wanted =
		mhd.lookup_connection_value(r->connection, MHD_HEADER_KIND, "Accept-Encoding");
	const char *kept =
		mhd.lookup_connection_value(r->connection, MHD_HEADER_KIND, "If-None-Match");
	const struct bundled_file *br = find(arena_printf(r->arena, "dist%s.br", r->path));
	const struct bundled_file *gz = find(arena_printf(r->arena, "dist%s.gz", r->path));
	if (!gz || !br)
		return reply_error(r, MHD_HTTP_NOT_FOUND, "NOT_FOUND",
				   tr("this address is not served here"));
	bool brotli = wanted && accepts(wanted, "br");
	if (wanted && !brotli && !accepts(wanted, "gzip") && !accepts(wanted, "*"))
		return reply_error(r, MHD_HTTP_NOT_ACCEPTABLE, "USAGE",
				   tr("the front end is sent compressed only: br or gzip"));
	const struct bundled_file *file = brotli ? br : gz;
	/* The hash in the name, and which of the two it is. */
	const char *etag = arena_printf(r->arena, "\"%s\"", strrchr(file->path, '/') + 1);
	bool same = kept && strstr(kept, etag);
	struct MHD_Response *response = mhd.create_response_from_buffer(
		same ? 0 : file->size, (void *)(uintptr_t)file->data, MHD_RESPMEM_PERSISTENT);
	mhd.add_response_header(response, "Content-Type", type_of(r->path));
	mhd.add_response_header(response, "Content-Encoding", brotli ? "br" : "gzip");
	mhd.add_response_header(response, "Vary", "Accept-Encoding");
	mhd.add_response_header(response, "ETag", etag);
	mhd.add_response_header(response, "Cache-Control", "public, max-age=31536000, immutable");
	return reply(r, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

enum MHD_Result static_answer(struct request *r)
{
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0)
		return reply_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "USAGE",
				   tr("only GET and HEAD are answered here"));
	if (strcmp(r->path, "/") != 0)
		return reply_asset(r);
	const struct bundled_file *page = find("dist/index.html");
	return page ? reply_page(r, page) : reply_none(r);
}
