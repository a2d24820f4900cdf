/* The helper process of an object store: it keeps the network that its asker gives up, and fetches objects
 * into the local cache for it. */
#include "store_helper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

#define KEYS_MAX  1000000
#define PATH_MOST 4096 /* bytes of a path in an answer */

struct helped {
	struct object_store store;
	struct object_store *inner; /* for staging, which asks nobody */
	pid_t pid;
	int fd;
};

/* A request: how many keys, then of each its length and its bytes. An answer: a code; then the err, or of each
 * path its length and its bytes. Both ends are the same program. */

static int read_all(int fd, void *out, size_t n)
{
	char *at = out;
	while (n) {
		ssize_t got = read(fd, at, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? errno : EPIPE;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

/* NULL when it is longer than it may be, or the other end went away. */
static const char *read_text(int fd, size_t most, struct arena *arena)
{
	uint32_t n;
	if (read_all(fd, &n, sizeof(n)) != 0 || n > most)
		return NULL;
	char *text = arena_alloc(arena, n + 1);
	if (read_all(fd, text, n) != 0)
		return NULL;
	text[n] = 0;
	return text;
}

static void add_text(struct buf *out, const char *text)
{
	uint32_t n = (uint32_t)strlen(text);
	buf_add(out, &n, sizeof(n));
	buf_add(out, text, n);
}

/* -- the helper -------------------------------------------------------------------------------- */

static bool serve_one(struct object_store *store, int fd)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_BUF struct buf out = {0};
	struct err e = ERR_INIT;
	uint32_t n;
	if (read_all(fd, &n, sizeof(n)) != 0 || n > KEYS_MAX)
		return false;
	const char **keys = ANEW_ARRAY(arena, n, const char *),
		   **paths = ANEW_ARRAY(arena, n, const char *);
	for (uint32_t i = 0; i < n; i++) {
		keys[i] = read_text(fd, OBJECT_KEY_MAX, arena);
		if (!keys[i])
			return false;
	}
	int rc = object_store_localise(store, keys, n, arena, paths, &e);
	buf_add(&out, &rc, sizeof(rc));
	if (rc)
		buf_add(&out, &e, sizeof(e));
	for (uint32_t i = 0; rc == OK && i < n; i++)
		add_text(&out, paths[i]);
	return fd_write_all(fd, out.data, out.len) == 0;
}

static void helper(struct object_store *store, int fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (getppid() == parent)
		while (serve_one(store, fd))
			;
	_exit(0);
}

/* -- the asker --------------------------------------------------------------------------------- */

static int gone(struct err *e, int errnum)
{
	return err_errno(e, errnum, "the process that fetches objects went away");
}

static int helped_localise(struct object_store *store, const char *const *keys, size_t n,
			   struct arena *arena, const char **ret_paths, struct err *e)
{
	struct helped *h = (struct helped *)store;
	AUTO_BUF struct buf ask = {0};
	uint32_t count = (uint32_t)n;
	int code;
	if (n > KEYS_MAX)
		return err_set(e, ERR_LIMIT, "%zu objects are more than one statement may read: %d",
			       n, KEYS_MAX);
	buf_add(&ask, &count, sizeof(count));
	for (size_t i = 0; i < n; i++)
		add_text(&ask, keys[i]);
	int errnum = fd_write_all(h->fd, ask.data, ask.len);
	if (errnum == 0)
		errnum = read_all(h->fd, &code, sizeof(code));
	if (errnum)
		return gone(e, errnum);
	if (code) {
		errnum = read_all(h->fd, e, sizeof(*e));
		return errnum ? gone(e, errnum) : code;
	}
	for (size_t i = 0; i < n; i++) {
		ret_paths[i] = read_text(h->fd, PATH_MOST, arena);
		if (!ret_paths[i])
			return gone(e, EPIPE);
	}
	return OK;
}

static int refuse(struct err *e)
{
	return err_set(e, ERR_DENIED, "this process only reads objects that its statement names");
}

static int refuse_put_many(struct object_store *s, struct object_put *puts, size_t n, struct err *e)
{
	return refuse(e);
}

static int refuse_get(struct object_store *s, const char *key, int64_t offset, int64_t length,
		      size_t ceiling, struct buf *out, struct object_info *ret, struct err *e)
{
	return refuse(e);
}

static int refuse_head(struct object_store *s, const char *key, struct object_info *ret,
		       struct err *e)
{
	return refuse(e);
}

static int refuse_list(struct object_store *s, const char *prefix, const char *after,
		       int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	return refuse(e);
}

static int refuse_delete_many(struct object_store *s, const char *const *keys, size_t n,
			      struct err *e)
{
	return refuse(e);
}

static int refuse_copy(struct object_store *s, const char *from, const char *to, struct err *e)
{
	return refuse(e);
}

static const char *helped_staging(struct object_store *store)
{
	return object_store_staging(((struct helped *)store)->inner);
}

static bool helped_notifies(struct object_store *store)
{
	return object_store_notifies(((struct helped *)store)->inner);
}

static void helped_free(struct object_store *store)
{
	struct helped *h = (struct helped *)store;
	close(h->fd);
	/* A sandbox may keep this process from waiting; the helper ends by itself. */
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(h);
}

static const struct object_store_ops ops = {
	.put_many = refuse_put_many,
	.get = refuse_get,
	.head = refuse_head,
	.list = refuse_list,
	.delete_many = refuse_delete_many,
	.copy = refuse_copy,
	.localise = helped_localise,
	.staging = helped_staging,
	.notifies = helped_notifies,
	.free = helped_free,
};

int store_helper_start(struct object_store *store, struct object_store **ret, struct err *e)
{
	int ends[2];
	pid_t parent = getpid();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, errno,
				 "cannot make a socket to the process that fetches objects");
	pid_t pid = fork();
	if (pid < 0) {
		int saved = errno;
		close(ends[0]);
		close(ends[1]);
		return err_errno(e, saved, "cannot start the process that fetches objects");
	}
	if (pid == 0) {
		close(ends[0]);
		helper(store, ends[1], parent);
	}
	close(ends[1]);
	struct helped *h = NEW(struct helped);
	*h = (struct helped){.store.ops = &ops, .inner = store, .pid = pid, .fd = ends[0]};
	*ret = &h->store;
	return OK;
}
