/* The backup's workers: they take messages, or keys of objects without a copy, and copy object by object. A message is
 * held (its visibility extended by a heartbeat) until all its objects are copied, and removed together with others, so
 * that neither the queue nor its disk is what the workers wait for. */
#include "backup_pool.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "backup_private.h"
#include "file.h"
#include "trigger_event.h"

#define RECEIVE_AT_ONCE 10 /* SQS's own limit */
#define REMOVE_AT_ONCE  10
#define VISIBILITY_US   INT64_C(60000000)
#define RETRY_US        INT64_C(5000000) /* doubles with each receive */
#define RETRY_CAP_US    INT64_C(600000000)
#define RECEIVES_AT_ONCE \
	20 /* what cannot work is received again at once, but no more than this often */
#define FAILURES_IN_A_ROW 8 /* at least; of the store itself, until a run gives up */

/* -- the pool ---------------------------------------------------------------------------------- */

/* A message with the objects that it tells of; or one object that no message told of. */
struct task {
	struct arena *arena;
	const char *receipt; /* NULL: no message */
	int64_t receives;
	const char *body;
	const char **keys;
	size_t key_count, key_cap;
	struct task *next; /* waiting for a worker */
};
struct backup_pool {
	const struct backup *with;
	struct backup_copier copier;
	struct backup_result *result;
	int64_t visibility_us;
	pthread_mutex_t catalog;
	pthread_mutex_t lock;   /* for all that follows */
	pthread_cond_t changed; /* a task came, or receiving ended */
	pthread_cond_t beat;    /* the run is over */
	struct task *first, *last;
	bool receiving; /* one worker asks the queue */
	bool empty;     /* it had nothing */
	bool over;
	struct task **held; /* their messages are ours: waiting or in work */
	size_t held_count, held_cap;
	char **done; /* receipts of those to be removed */
	size_t done_count, done_cap;
	char **failed; /* keys, or ids of messages, that failed in this run */
	size_t failed_count, failed_cap;
	int in_a_row; /* failures of the store since something succeeded */
	int64_t total, finished;
	struct err why; /* nothing can go on */
};

static struct task *task_new(void)
{
	struct arena *arena = arena_new();
	struct task *task = ANEW(arena, struct task);
	task->arena = arena;
	return task;
}

static void task_free(struct task *task)
{
	free(task->keys);
	arena_free(task->arena);
}

static void free_all(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

static void add_task(struct backup_pool *p, struct task *task)
{
	if (p->last)
		p->last->next = task;
	else
		p->first = task;
	p->last = task;
}

static void stop_for(struct backup_pool *p, const struct err *why)
{
	if (!p->why.code)
		p->why = *why;
}

static bool ended(const struct backup_pool *p)
{
	return p->why.code || backup_stopped(p->with);
}

/* With the lock. */
static void tell_progress(struct backup_pool *p)
{
	if (p->with->progress)
		p->with->progress(p->with->ctx, p->finished, p->total, p->result->bytes);
}

/* -- messages ---------------------------------------------------------------------------------- */

/* Without the lock: the queue may take its time. */
static int receive(struct backup_pool *p, struct task **ret, size_t *ret_count, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct queue_message messages[RECEIVE_AT_ONCE];
	int rc = queue_receive(p->with->queue, RECEIVE_AT_ONCE, p->visibility_us, arena, messages,
			       ret_count, e);
	for (size_t i = 0; rc == OK && i < *ret_count; i++) {
		ret[i] = task_new();
		ret[i]->receipt = arena_strdup(ret[i]->arena, messages[i].receipt);
		ret[i]->receives = messages[i].receives;
		ret[i]->body = arena_strdup(ret[i]->arena, messages[i].body);
	}
	return rc;
}

static void refill(struct backup_pool *p)
{
	struct task *tasks[RECEIVE_AT_ONCE];
	size_t n = 0;
	struct err err = ERR_INIT;
	p->receiving = true;
	pthread_mutex_unlock(&p->lock);
	int rc = receive(p, tasks, &n, &err);
	pthread_mutex_lock(&p->lock);
	p->receiving = false;
	if (rc)
		stop_for(p, &err);
	p->empty = rc == OK && n == 0;
	for (size_t i = 0; rc == OK && i < n; i++) {
		add_task(p, tasks[i]);
		*PUSH(p->held, p->held_count, p->held_cap) = tasks[i];
	}
	if (p->finished + (int64_t)p->held_count > p->total)
		p->total = p->finished + (int64_t)p->held_count;
	pthread_cond_broadcast(&p->changed);
}

/* The next task; NULL when there is none, and none can be had. */
static struct task *take(struct backup_pool *p)
{
	struct task *task = NULL;
	pthread_mutex_lock(&p->lock);
	while (!p->first && !ended(p)) {
		if (p->receiving)
			pthread_cond_wait(&p->changed, &p->lock);
		else if (p->empty)
			break;
		else
			refill(p);
	}
	if (p->first && !ended(p)) {
		task = p->first;
		p->first = task->next;
		if (!p->first)
			p->last = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return task;
}

/* With the lock. */
static void let_go(struct backup_pool *p, const struct task *task)
{
	for (size_t i = 0; i < p->held_count; i++)
		if (p->held[i] == task) {
			p->held[i] = p->held[--p->held_count];
			return;
		}
}

/* Removes what is done. Receipts that cannot be removed come again and change nothing. */
static int flush(struct backup_pool *p, size_t at_least, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	size_t n = p->done_count >= at_least ? p->done_count : 0;
	char **done = p->done;
	if (n) {
		p->done = NULL;
		p->done_count = p->done_cap = 0;
	}
	pthread_mutex_unlock(&p->lock);
	if (!n)
		return OK;
	int rc = queue_remove(p->with->queue, (const char *const *)done, n, e);
	free_all(done, n);
	return rc;
}

/* -- success and failure ----------------------------------------------------------------------- */

static bool is_hopeless(int code)
{
	return code == ERR_INPUT || code == ERR_CONFLICT || code == ERR_USAGE || code == ERR_BUG;
}

static bool failed_before(const struct backup_pool *p, const char *what)
{
	return str_among(what, (const char *const *)p->failed, p->failed_count);
}

/* With the lock. what: the object, or the message's own text where none could be read from it. */
static void count_failure(struct backup_pool *p, const char *what, const struct err *why)
{
	bool store = !is_hopeless(why->code) && why->code != ERR_NOT_FOUND;
	int most = p->with->workers > FAILURES_IN_A_ROW ? p->with->workers : FAILURES_IN_A_ROW;
	p->in_a_row = store ? p->in_a_row + 1 : p->in_a_row;
	if (!failed_before(p, what)) {
		*PUSH(p->failed, p->failed_count, p->failed_cap) = mem_strdup(what);
		p->result->failed++;
		if (!p->result->first_error[0])
			err_format(why, p->result->first_error, sizeof(p->result->first_error));
		telemetry_failure(p->with->telemetry, LOG_LEVEL_WARNING, p->with->run,
				  "backup.failed", what, why);
	}
	if (p->in_a_row >= most) {
		struct err all = *why;
		err_wrap(&all, "one object after the other fails");
		stop_for(p, &all);
		pthread_cond_broadcast(&p->changed);
	}
}

static void give_back(struct backup_pool *p, const struct task *task, const struct err *why)
{
	struct err err = ERR_INIT;
	char text[1400];
	int64_t wait_us = RETRY_US;
	for (int64_t i = 1; i < task->receives && wait_us < RETRY_CAP_US; i++)
		wait_us *= 2;
	bool at_once = is_hopeless(why->code) && task->receives < RECEIVES_AT_ONCE;
	int rc = queue_fail(p->with->queue, task->receipt, at_once ? 0 : wait_us,
			    err_format(why, text, sizeof(text)), &err);
	pthread_mutex_lock(&p->lock);
	if (rc && rc != ERR_NOT_FOUND)
		stop_for(p, &err);
	/* Somebody has to let it die. */
	p->empty &= !at_once;
	pthread_mutex_unlock(&p->lock);
}

static void finish(struct backup_pool *p, struct task *task, const char *what,
		   const struct err *why)
{
	struct err err = ERR_INIT;
	bool message = task->receipt != NULL;
	pthread_mutex_lock(&p->lock);
	let_go(p, task);
	p->finished++;
	if (why->code)
		count_failure(p, what, why);
	else if (message)
		*PUSH(p->done, p->done_count, p->done_cap) = mem_strdup(task->receipt);
	tell_progress(p);
	pthread_mutex_unlock(&p->lock);
	if (message && why->code)
		give_back(p, task, why);
	if (message && flush(p, REMOVE_AT_ONCE, &err) != OK) {
		pthread_mutex_lock(&p->lock);
		stop_for(p, &err);
		pthread_mutex_unlock(&p->lock);
	}
	task_free(task);
}

/* -- a worker ---------------------------------------------------------------------------------- */

static int add_key(void *ctx, const char *key, int32_t as_of, struct err *e)
{
	struct task *task = ctx;
	*PUSH(task->keys, task->key_count, task->key_cap) = arena_strdup(task->arena, key);
	return OK;
}

static int copy_one(struct backup_pool *p, const char *key, struct err *e)
{
	enum backup_outcome outcome;
	int64_t bytes;
	int rc = backup_copy(&p->copier, key, &outcome, &bytes, e);
	if (rc)
		return err_where(e, key);
	pthread_mutex_lock(&p->lock);
	p->result->copied += outcome == BACKUP_COPIED;
	p->result->unchanged += outcome == BACKUP_UNCHANGED;
	p->result->gone += outcome == BACKUP_GONE;
	p->result->bytes += bytes;
	p->in_a_row = 0;
	pthread_mutex_unlock(&p->lock);
	return OK;
}

static int work(void *ctx, size_t number, struct err *unused)
{
	struct backup_pool *p = ctx;
	struct task *task;
	while ((task = take(p))) {
		struct err why = ERR_INIT;
		const char *what = task->body;
		int rc = task->body ? trigger_event_read(task->body, strlen(task->body), add_key,
							 task, &why)
				    : OK;
		/* A message of several objects is done when all of them are. */
		for (size_t i = 0; rc == OK && i < task->key_count; i++) {
			what = task->keys[i];
			rc = copy_one(p, what, &why);
		}
		why.code = rc;
		finish(p, task, what ? what : "", &why);
	}
	return OK;
}

/* -- the heartbeat ----------------------------------------------------------------------------- */

static void extend_held(struct backup_pool *p)
{
	pthread_mutex_lock(&p->lock);
	size_t n = p->held_count;
	char **receipts = NEW_ARRAY(n, char *);
	for (size_t i = 0; i < n; i++)
		receipts[i] = mem_strdup(p->held[i]->receipt);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < n; i++) {
		/* Finished meanwhile; or lost to another, who will find it unchanged. */
		struct err ignored = ERR_INIT;
		int rc = queue_extend(p->with->queue, receipts[i], p->visibility_us, &ignored);
		(void)rc;
	}
	free_all(receipts, n);
}

/* Real time, whatever clock the rest goes by: it is the queue's patience that runs out. */
static struct timespec after(int64_t us)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	int64_t ns = t.tv_nsec + us % 1000000 * 1000;
	t.tv_sec += us / 1000000 + ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

static void *heartbeat(void *arg)
{
	struct backup_pool *p = arg;
	pthread_mutex_lock(&p->lock);
	while (!p->over) {
		struct timespec until = after(p->visibility_us / 2);
		while (!p->over && pthread_cond_timedwait(&p->beat, &p->lock, &until) != ETIMEDOUT)
			;
		if (p->over)
			break;
		pthread_mutex_unlock(&p->lock);
		struct err err = ERR_INIT;
		int rc = flush(p, 1, &err);
		extend_held(p);
		pthread_mutex_lock(&p->lock);
		if (rc)
			stop_for(p, &err);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* What nobody came to any more is for the next run, at once. */
static void put_down(struct backup_pool *p)
{
	while (p->first) {
		struct task *task = p->first;
		struct err ignored = ERR_INIT;
		p->first = task->next;
		if (task->receipt) {
			int rc = queue_extend(p->with->queue, task->receipt, 0, &ignored);
			(void)rc;
		}
		let_go(p, task);
		task_free(task);
	}
	p->last = NULL;
}

/* -- from outside ------------------------------------------------------------------------------ */

struct backup_pool *backup_pool_new(const struct backup *b, const struct backup_staging *staging,
				    int64_t life, struct backup_result *result)
{
	pthread_condattr_t monotonic;
	struct backup_pool *p = NEW(struct backup_pool);
	p->with = b;
	p->result = result;
	p->visibility_us = b->visibility_us ? b->visibility_us : VISIBILITY_US;
	p->copier = (struct backup_copier){b, staging, &p->catalog, life, false};
	p->why = (struct err)ERR_INIT;
	pthread_mutex_init(&p->catalog, NULL);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->beat, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return p;
}

void backup_pool_free(struct backup_pool *p)
{
	put_down(p);
	free_all(p->failed, p->failed_count);
	free(p->held);
	free_all(p->done, p->done_count);
	pthread_cond_destroy(&p->beat);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->catalog);
	free(p);
}

void backup_pool_add(struct backup_pool *p, const char *key)
{
	struct task *task = task_new();
	struct err ignored = ERR_INIT;
	int rc = add_key(task, key, 0, &ignored);
	(void)rc;
	add_task(p, task);
	p->total++;
}

void backup_pool_expect(struct backup_pool *p, int64_t messages)
{
	p->total += messages;
}

bool backup_pool_failed(const struct backup_pool *p, const char *key)
{
	return failed_before(p, key);
}

int backup_pool_drain(struct backup_pool *p, struct err *e)
{
	pthread_t beating;
	p->over = false;
	p->in_a_row = 0;
	int errnum = pthread_create(&beating, NULL, heartbeat, p);
	if (errnum)
		return err_errno(e, errnum, "cannot start a thread");
	size_t workers = (size_t)p->with->workers;
	int rc = parallel_for(workers, (int)workers, work, p, e);
	pthread_mutex_lock(&p->lock);
	p->over = true;
	pthread_cond_signal(&p->beat);
	pthread_mutex_unlock(&p->lock);
	pthread_join(beating, NULL);
	put_down(p);
	/* Also after a failure: what is copied need not come again. */
	struct err err = ERR_INIT;
	if (flush(p, 1, &err) != OK)
		stop_for(p, &err);
	if (rc == OK && p->why.code) {
		if (e)
			*e = p->why;
		rc = p->why.code;
	}
	return rc;
}
