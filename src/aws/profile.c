/* The shared files of AWS's tools. inih does not read them: its lines are too short for a session
 * token, and an indented line means something else here (a setting of the setting above it). */
#include "profile.h"

#include <string.h>

#include "file.h"

#define FILE_CEILING_BYTES ((size_t)1 << 20)

struct place {
	const char *key;
	const char **value;
};

static void take(struct profile *p, struct arena *arena, struct slice key, struct slice value)
{
	static const char *const others[] = {"role_arn", "sso_session", "sso_start_url",
					     "credential_process", "web_identity_token_file"};
	const struct place places[] = {{"aws_access_key_id", &p->key.access},
				       {"aws_secret_access_key", &p->key.secret},
				       {"aws_session_token", &p->key.token},
				       {"region", &p->region}};
	if (value.n == 0)
		return;
	/* The first is kept: the credentials file is read first, and rules. */
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (slice_is(key, places[i].key) && !*places[i].value)
			*places[i].value = arena_strndup(arena, value.p, value.n);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (slice_is(key, others[i]))
			p->unsupported = others[i];
}

/* [name] in the credentials file; [profile name] in the other one, where only [default] may do without. */
static bool is_section(const struct profile *p, struct slice name, bool config)
{
	name = slice_trim(name);
	if (config && slice_starts(name, "profile")) {
		struct slice rest = {name.p + 7, name.n - 7};
		if (rest.n && (rest.p[0] == ' ' || rest.p[0] == '\t'))
			return slice_is(slice_trim(rest), p->name);
	}
	return slice_is(name, p->name) && (!config || strcmp(p->name, "default") == 0);
}

static void parse(struct profile *p, struct arena *arena, struct slice text, bool config)
{
	bool ours = false;
	while (text.n) {
		struct slice line = slice_cut(&text, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		bool nested = line.n && (line.p[0] == ' ' || line.p[0] == '\t');
		line = slice_trim(line);
		if (line.n == 0 || nested || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			struct slice name = {line.p + 1, line.n - 1};
			ours = is_section(p, slice_cut(&name, ']'), config);
			p->found = p->found || ours;
		} else if (ours && memchr(line.p, '=', line.n)) {
			struct slice key = slice_trim(slice_cut(&line, '='));
			take(p, arena, key, slice_trim(line));
		}
	}
}

static int load(struct profile *p, struct arena *arena, const char *path, bool config,
		struct err *e)
{
	AUTO_BUF struct buf text = {0};
	int rc = file_read(path, FILE_CEILING_BYTES, &text, e);
	if (rc == ERR_NOT_FOUND)
		return OK;
	if (rc == OK)
		parse(p, arena, buf_slice(&text), config);
	return rc;
}

static const char *path_of(const struct aws_world *w, struct arena *arena, const char *variable,
			   const char *name)
{
	const char *path = aws_environment(w, variable), *home = aws_environment(w, "HOME");
	return path ? arena_strdup(arena, path)
		    : arena_printf(arena, "%s/.aws/%s", home ? home : "", name);
}

int profile_load(const struct aws_world *w, struct arena *arena, struct profile *ret, struct err *e)
{
	const char *name = aws_environment(w, "AWS_PROFILE");
	*ret = (struct profile){.name = arena_strdup(arena, name ? name : "default")};
	ret->credentials_path = path_of(w, arena, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
	ret->config_path = path_of(w, arena, "AWS_CONFIG_FILE", "config");
	int rc = load(ret, arena, ret->credentials_path, false, e);
	if (rc == OK)
		rc = load(ret, arena, ret->config_path, true, e);
	if (rc == OK && !ret->key.access != !ret->key.secret) {
		err_set(e, ERR_USAGE, "profile \"%s\" has only one of %s and %s", ret->name,
			"aws_access_key_id", "aws_secret_access_key");
		rc = err_where(e, ret->credentials_path);
	}
	return rc;
}
