/* Queue in one SQLite file: each call is one transaction, so two receivers never get the same
 * message within its visibility. A receipt is the row, and a random number that the next receive
 * replaces. */
#include "queue_sqlite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "sqlite.h"
#include "value.h"

/* visible_us is null for the dead: they are in no order of visibility. */
static const char *const steps[] = {
	"CREATE TABLE message (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	body TEXT NOT NULL,\n"
	"	sent_us INTEGER NOT NULL,\n"
	"	visible_us INTEGER,\n"
	"	receives INTEGER NOT NULL DEFAULT 0,\n"
	"	receipt INTEGER,\n"
	"	last_error TEXT,\n"
	"	dead INTEGER NOT NULL DEFAULT 0 CHECK (dead IN (0, 1))\n"
	") STRICT;\n"
	"CREATE INDEX message_visible ON message (visible_us) WHERE dead = 0;\n"
	"CREATE INDEX message_dead ON message (id) WHERE dead = 1;\n",
};

#define LAST_ERROR_MAX 4096 /* bytes kept of what queue_fail says */

struct queue_sqlite {
	struct queue queue;
	struct sqlite *db;
	struct clock *clock;
	pthread_mutex_t lock;
	char *name;
	int max_receives;
};

/* Every operation is a function that runs inside a transaction. */
struct call {
	struct queue_sqlite *q;
	int64_t now;
	struct err *e;
};

static struct call call_begin(struct queue *queue, bool writing, struct err *e, int *ret_rc)
{
	struct queue_sqlite *q = (struct queue_sqlite *)queue;
	pthread_mutex_lock(&q->lock);
	*ret_rc = writing ? sqlite_begin(q->db, e) : sqlite_begin_read(q->db, e);
	return (struct call){.q = q, .now = clock_now_us(q->clock), .e = e};
}

static int call_end(struct call *c, int rc)
{
	if (rc == OK)
		rc = sqlite_commit(c->q->db, c->e);
	else
		sqlite_rollback(c->q->db);
	pthread_mutex_unlock(&c->q->lock);
	return rc;
}

static int prepare(struct call *c, const char *sql, sqlite3_stmt **ret)
{
	return sqlite_prepare(c->q->db, sql, ret, c->e);
}

static int run(struct call *c, sqlite3_stmt *stmt)
{
	return sqlite_run(c->q->db, stmt, c->e);
}

/* -- sending and receiving --------------------------------------------------------------------- */

static int send_one(struct call *c, struct slice body)
{
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(c, "INSERT INTO message (body, sent_us, visible_us) VALUES (?1, ?2, ?2)",
			 &stmt);
	if (rc)
		return rc;
	sqlite_bind_slice(stmt, 1, body);
	sqlite_bind_i64(stmt, 2, c->now);
	return run(c, stmt);
}

static int queue_sqlite_send(struct queue *queue, const struct slice *bodies, size_t n,
			     struct err *e)
{
	int rc;
	struct call c = call_begin(queue, true, e, &rc);
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = send_one(&c, bodies[i]);
	return call_end(&c, rc);
}

/* Looks without the write lock, so that a receiver who waits for messages keeps nobody from sending
 * them. */
static int is_any_visible(struct queue_sqlite *q, bool *ret, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite_prepare(q->db,
				"SELECT 1 FROM message WHERE dead = 0 AND visible_us <= ?1 LIMIT 1",
				&stmt, e);
	if (rc)
		return rc;
	sqlite_bind_i64(stmt, 1, clock_now_us(q->clock));
	rc = sqlite_step(q->db, stmt, e);
	sqlite_reset(stmt);
	*ret = rc == 1;
	return rc < 0 ? rc : OK;
}

static int bury_exhausted(struct call *c)
{
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(c,
			 "UPDATE message SET dead = 1, visible_us = NULL, receipt = NULL\n"
			 "WHERE dead = 0 AND visible_us <= ?1 AND receives >= ?2",
			 &stmt);
	if (rc)
		return rc;
	sqlite_bind_i64(stmt, 1, c->now);
	sqlite_bind_i64(stmt, 2, c->q->max_receives);
	return run(c, stmt);
}

#define MESSAGE_COLUMNS "id, body, receives, sent_us, coalesce(visible_us, 0), last_error"

static void read_message(sqlite3_stmt *stmt, struct arena *arena, struct queue_message *ret)
{
	*ret = (struct queue_message){.receipt = ""};
	snprintf(ret->id, sizeof(ret->id), "%" PRId64, sqlite_i64(stmt, 0));
	ret->body = sqlite_str(stmt, 1, arena);
	ret->receives = sqlite_i64(stmt, 2);
	ret->sent_us = sqlite_i64(stmt, 3);
	ret->visible_us = sqlite_i64(stmt, 4);
	ret->last_error = sqlite_str(stmt, 5, arena);
}

static int read_messages(struct call *c, sqlite3_stmt *stmt, size_t max, struct arena *arena,
			 struct queue_message *ret, size_t *ret_count)
{
	size_t count = 0;
	int more = 0;
	while (count < max && (more = sqlite_step(c->q->db, stmt, c->e)) == 1)
		read_message(stmt, arena, &ret[count++]);
	sqlite_reset(stmt);
	if (more < 0)
		return more;
	*ret_count = count;
	return OK;
}

static int random_i64(int64_t *ret, struct err *e)
{
	if (getrandom(ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret))
		return err_set(e, ERR_IO, "the system gives no random numbers");
	return OK;
}

static int take(struct call *c, struct queue_message *m, int64_t visibility_us, struct arena *arena)
{
	sqlite3_stmt *stmt = NULL;
	int64_t receipt;
	int rc = random_i64(&receipt, c->e);
	if (rc == OK)
		rc = prepare(
			c,
			"UPDATE message SET receives = receives + 1, receipt = ?2, visible_us = ?3 WHERE id = ?1",
			&stmt);
	if (rc)
		return rc;
	m->receives++;
	m->visible_us = c->now + visibility_us;
	m->receipt = arena_printf(arena, "%s.%" PRId64, m->id, receipt);
	sqlite_bind_str(stmt, 1, m->id);
	sqlite_bind_i64(stmt, 2, receipt);
	sqlite_bind_i64(stmt, 3, m->visible_us);
	return run(c, stmt);
}

static int queue_sqlite_receive(struct queue *queue, size_t max, int64_t visibility_us,
				struct arena *arena, struct queue_message *ret, size_t *ret_count,
				struct err *e)
{
	struct queue_sqlite *q = (struct queue_sqlite *)queue;
	*ret_count = 0;
	bool any = false;
	pthread_mutex_lock(&q->lock);
	int rc = max ? is_any_visible(q, &any, e) : OK;
	pthread_mutex_unlock(&q->lock);
	if (rc || !any)
		return rc;
	struct call c = call_begin(queue, true, e, &rc);
	sqlite3_stmt *stmt = NULL;
	size_t count = 0;
	if (rc == OK)
		rc = bury_exhausted(&c);
	if (rc == OK)
		rc = prepare(&c,
			     "SELECT " MESSAGE_COLUMNS
			     " FROM message WHERE dead = 0 AND visible_us <= ?1\n"
			     "ORDER BY visible_us, id",
			     &stmt);
	if (rc == OK) {
		sqlite_bind_i64(stmt, 1, c.now);
		rc = read_messages(&c, stmt, max, arena, ret, &count);
	}
	for (size_t i = 0; rc == OK && i < count; i++)
		rc = take(&c, &ret[i], visibility_us, arena);
	rc = call_end(&c, rc);
	if (rc == OK)
		*ret_count = count;
	return rc;
}

/* -- by receipt -------------------------------------------------------------------------------- */

/* Prepares sql with the row as ?1 and its random number as ?2. What is no receipt matches no
 * row. */
static int prepare_by_receipt(struct call *c, const char *sql, const char *receipt,
			      sqlite3_stmt **ret)
{
	int rc = prepare(c, sql, ret);
	struct slice rest = slice_of(receipt);
	struct slice id = slice_cut(&rest, '.');
	int64_t row, number;
	if (rc == OK && int64_parse(id, &row) && int64_parse(rest, &number)) {
		sqlite_bind_i64(*ret, 1, row);
		sqlite_bind_i64(*ret, 2, number);
	}
	return rc;
}

static int queue_sqlite_remove(struct queue *queue, const char *const *receipts, size_t n,
			       struct err *e)
{
	int rc;
	struct call c = call_begin(queue, true, e, &rc);
	for (size_t i = 0; rc == OK && i < n; i++) {
		sqlite3_stmt *stmt = NULL;
		rc = prepare_by_receipt(&c, "DELETE FROM message WHERE id = ?1 AND receipt = ?2",
					receipts[i], &stmt);
		if (rc == OK)
			rc = run(&c, stmt);
	}
	return call_end(&c, rc);
}

/* Cut between characters: it is shown to people and put into JSON. */
static struct slice clip(const char *text)
{
	size_t n = strnlen(text, LAST_ERROR_MAX);
	while (n && text[n] && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return (struct slice){text, n};
}

/* why NULL: what was said before stays. */
static int hide(struct queue *queue, const char *receipt, int64_t hide_us, const char *why,
		struct err *e)
{
	int rc;
	struct call c = call_begin(queue, true, e, &rc);
	sqlite3_stmt *stmt = NULL;
	if (rc == OK)
		rc = prepare_by_receipt(
			&c,
			"UPDATE message SET visible_us = ?3, last_error = coalesce(?4, last_error)\n"
			"WHERE id = ?1 AND receipt = ?2 AND dead = 0",
			receipt, &stmt);
	if (rc == OK) {
		sqlite_bind_i64(stmt, 3, c.now + hide_us);
		if (why)
			sqlite_bind_slice(stmt, 4, clip(why));
		rc = run(&c, stmt);
	}
	if (rc == OK && sqlite3_changes(c.q->db->db) == 0)
		rc = err_set(e, ERR_NOT_FOUND,
			     "the receipt is stale: the message was received again or removed");
	return call_end(&c, rc);
}

static int queue_sqlite_extend(struct queue *queue, const char *receipt, int64_t visibility_us,
			       struct err *e)
{
	return hide(queue, receipt, visibility_us, NULL, e);
}

static int queue_sqlite_fail(struct queue *queue, const char *receipt, int64_t retry_us,
			     const char *why, struct err *e)
{
	return hide(queue, receipt, retry_us, why, e);
}

/* -- looking, and dead letters ----------------------------------------------------------------- */

static int queue_sqlite_stats(struct queue *queue, struct queue_stats *ret, struct err *e)
{
	int rc;
	struct call c = call_begin(queue, false, e, &rc);
	sqlite3_stmt *stmt = NULL;
	if (rc == OK)
		rc = prepare(
			&c,
			"SELECT count(*) FILTER (WHERE dead = 0 AND visible_us <= ?1),\n"
			"	count(*) FILTER (WHERE dead = 0 AND visible_us > ?1),\n"
			"	count(*) FILTER (WHERE dead = 1), min(sent_us) FILTER (WHERE dead = 0)\n"
			"FROM message",
			&stmt);
	if (rc == OK) {
		sqlite_bind_i64(stmt, 1, c.now);
		int more = sqlite_step(c.q->db, stmt, e);
		if (more == 1)
			*ret = (struct queue_stats){.visible = sqlite_i64(stmt, 0),
						    .in_flight = sqlite_i64(stmt, 1),
						    .dead = sqlite_i64(stmt, 2),
						    .oldest_us = sqlite_i64(stmt, 3)};
		sqlite_reset(stmt);
		rc = more < 0 ? more : OK;
	}
	return call_end(&c, rc);
}

static int queue_sqlite_peek(struct queue *queue, bool dead, size_t max, struct arena *arena,
			     struct queue_message *ret, size_t *ret_count, struct err *e)
{
	int rc;
	struct call c = call_begin(queue, false, e, &rc);
	sqlite3_stmt *stmt = NULL;
	if (rc == OK)
		rc = prepare(
			&c,
			dead ? "SELECT " MESSAGE_COLUMNS " FROM message WHERE dead = 1 ORDER BY id"
			     : "SELECT " MESSAGE_COLUMNS " FROM message WHERE dead = 0 ORDER BY id",
			&stmt);
	if (rc == OK)
		rc = read_messages(&c, stmt, max, arena, ret, ret_count);
	return call_end(&c, rc);
}

static int queue_sqlite_redrive(struct queue *queue, const char *id, int64_t *ret_count,
				struct err *e)
{
	int64_t row = 0;
	if (id && !int64_parse(slice_of(id), &row))
		return err_set(e, ERR_NOT_FOUND, "there is no dead letter \"%s\"", id);
	int rc;
	struct call c = call_begin(queue, true, e, &rc);
	sqlite3_stmt *stmt = NULL;
	if (rc == OK)
		rc = prepare(&c,
			     "UPDATE message SET dead = 0, visible_us = ?1, receives = 0\n"
			     "WHERE dead = 1 AND (?2 IS NULL OR id = ?2)",
			     &stmt);
	if (rc == OK) {
		sqlite_bind_i64(stmt, 1, c.now);
		if (id)
			sqlite_bind_i64(stmt, 2, row);
		rc = run(&c, stmt);
	}
	int64_t count = rc == OK ? sqlite3_changes64(c.q->db->db) : 0;
	if (rc == OK && id && count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "there is no dead letter \"%s\"", id);
	rc = call_end(&c, rc);
	if (rc == OK)
		*ret_count = count;
	return rc;
}

static const char *queue_sqlite_name(struct queue *queue)
{
	return ((struct queue_sqlite *)queue)->name;
}

static void queue_sqlite_free(struct queue *queue)
{
	struct queue_sqlite *q = (struct queue_sqlite *)queue;
	sqlite_close(q->db);
	pthread_mutex_destroy(&q->lock);
	free(q->name);
	free(q);
}

static const struct queue_ops queue_sqlite_ops = {
	.send = queue_sqlite_send,
	.receive = queue_sqlite_receive,
	.remove = queue_sqlite_remove,
	.extend = queue_sqlite_extend,
	.fail = queue_sqlite_fail,
	.stats = queue_sqlite_stats,
	.peek = queue_sqlite_peek,
	.redrive = queue_sqlite_redrive,
	.name = queue_sqlite_name,
	.free = queue_sqlite_free,
};

int queue_sqlite_open(const char *path, const char *name, int max_receives, struct clock *clock,
		      struct queue **ret, struct err *e)
{
	struct sqlite_options options = {.path = path,
					 .access = DB_CREATE,
					 .sync = SYNC_FULL,
					 .steps = steps,
					 .step_count = ARRAY_LEN(steps)};
	struct sqlite *db;
	int rc = sqlite_open(&options, &db, e);
	if (rc == ERR_DENIED) {
		struct err second = ERR_INIT;
		options.access = DB_READ;
		if (sqlite_open(&options, &db, &second) != OK)
			return rc;
	} else if (rc) {
		return rc;
	}
	struct queue_sqlite *q = NEW(struct queue_sqlite);
	q->queue.ops = &queue_sqlite_ops;
	q->db = db;
	q->clock = clock;
	q->name = mem_strdup(name);
	q->max_receives = max_receives > 0 ? max_receives : 1;
	pthread_mutex_init(&q->lock, NULL);
	*ret = &q->queue;
	return OK;
}
