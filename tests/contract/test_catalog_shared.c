/* What the shared catalog adds to the port's contract: several machines over one store. A machine is a folder of its
 * own; the store is the same. */
#include "catalog_fixture.h"

#include <unistd.h>

#include "clock_fake.h"
#include "file.h"

/* A store that fails on demand, and one time lets another machine go first. */
struct hasty {
	struct object_store port;
	struct object_store *inner;
	bool fails;
	void (*before_put)(void *ctx);
	void *ctx;
};
static int hasty_put_many(struct object_store *port, struct object_put *items, size_t n,
			  struct err *e)
{
	struct hasty *h = (struct hasty *)port;
	void (*before)(void *) = h->before_put;
	h->before_put = NULL;
	if (before)
		before(h->ctx);
	if (h->fails)
		return items[0].code = err_set(e, ERR_IO, "the line is dead");
	return object_store_put_many(h->inner, items, n, e);
}
static int hasty_get(struct object_store *port, const char *key, int64_t offset, int64_t length,
		     size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	return object_store_get(((struct hasty *)port)->inner, key, offset, length, ceiling_bytes,
				out, ret, e);
}
static int hasty_list(struct object_store *port, const char *prefix, const char *after,
		      int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	return object_store_list(((struct hasty *)port)->inner, prefix, after, fn, ctx, e);
}
static int hasty_delete_many(struct object_store *port, const char *const *keys, size_t n,
			     struct err *e)
{
	return object_store_delete_many(((struct hasty *)port)->inner, keys, n, e);
}
static const struct object_store_ops hasty_ops = {.put_many = hasty_put_many,
						  .get = hasty_get,
						  .list = hasty_list,
						  .delete_many = hasty_delete_many};

struct machine {
	char *folder;
	struct hasty store;
	struct clock_fake clock;
	struct catalog *catalog;
};
struct bench {
	struct fixture f; /* for its helpers */
	char *place;
	struct object_store *store;
	struct machine a, b;
};

static void machine_on(struct bench *b, struct machine *m)
{
	struct catalog *inner;
	GOOD(&b->f, catalog_sqlite_open(m->folder, &clock_system, false, &inner, &b->f.e));
	m->catalog =
		catalog_glue_new(inner, &(struct catalog_glue_options){.store = &m->store.port,
								       .folder = m->folder,
								       .clock = &m->clock.clock,
								       .beneath = &sqlite_state});
	GOOD(&b->f, catalog_glue_refresh(m->catalog, &b->f.e));
	GOOD(&b->f, catalog_put_tables(m->catalog, both, 2, &b->f.e));
}

static int begin(void **state)
{
	struct bench *b = NEW(struct bench);
	b->f.arena = arena_new();
	b->place = temporary_folder();
	GOOD(&b->f, object_store_fs_open(arena_printf(b->f.arena, "%s/store", b->place), true,
					 &b->store, &b->f.e));
	struct machine *both_machines[] = {&b->a, &b->b};
	for (size_t i = 0; i < 2; i++) {
		struct machine *m = both_machines[i];
		m->folder = mem_strdup(arena_printf(b->f.arena, "%s/%zu", b->place, i));
		m->store = (struct hasty){.port.ops = &hasty_ops, .inner = b->store};
		clock_fake_init(&m->clock, clock_now_us(&clock_system));
		machine_on(b, m);
	}
	*state = b;
	return 0;
}

static int end(void **state)
{
	struct bench *b = *state;
	catalog_free(b->a.catalog);
	catalog_free(b->b.catalog);
	object_store_free(b->store);
	free(b->a.folder);
	free(b->b.folder);
	remove_folder(&b->place);
	arena_free(b->f.arena);
	free(b);
	return 0;
}

static const char *seen(struct bench *b, struct machine *m)
{
	GOOD(&b->f, catalog_glue_refresh(m->catalog, &b->f.e));
	return names(&b->f, m->catalog, &refined, LAYOUT_COMPACT, NULL, 0);
}

static void one_sees_what_the_other_committed(void **state)
{
	struct bench *b = *state;
	int64_t generation, again;
	put_session(&b->f, b->a.catalog, "IBOV", "2024-07-15", "x");
	assert_string_equal(seen(b, &b->b), "2024-07-15-x");
	put_session(&b->f, b->b.catalog, "SMLL", "2024-07-15", "y");
	assert_string_equal(seen(b, &b->a), "2024-07-15-x 2024-07-15-y");
	/* Looking, and what changes nothing, puts nothing. */
	GOOD(&b->f, catalog_glue_generation(b->store, &generation, &b->f.e));
	GOOD(&b->f, catalog_put_tables(b->a.catalog, both, 2, &b->f.e));
	seen(b, &b->a);
	GOOD(&b->f, catalog_glue_generation(b->store, &again, &b->f.e));
	assert_int_equal(generation, again);
}

static void b_commits(void *ctx)
{
	struct bench *b = ctx;
	put_session(&b->f, b->b.catalog, "SMLL", "2024-07-15", "first");
}

static void who_comes_second_does_it_again(void **state)
{
	struct bench *b = *state;
	b->a.store.before_put = b_commits;
	b->a.store.ctx = b;
	put_session(&b->f, b->a.catalog, "IBOV", "2024-07-15", "second");
	assert_string_equal(seen(b, &b->a), "2024-07-15-second 2024-07-15-first");
	assert_string_equal(seen(b, &b->b), "2024-07-15-second 2024-07-15-first");
}

static void a_state_that_cannot_be_put_is_taken_back(void **state)
{
	struct bench *b = *state;
	struct catalog_scope scope = {.properties = "{}"};
	struct catalog_file file = published(&b->f, "IBOV", "2024-07-16", "VALE", "lost", 1);
	struct catalog_change change = {.table = &refined,
					.scopes = &scope,
					.scope_count = 1,
					.files = &file,
					.file_count = 1};
	int64_t version;
	scope.scope = file.scopes[0];
	put_session(&b->f, b->a.catalog, "IBOV", "2024-07-15", "x");
	b->a.store.fails = true;
	assert_int_equal(catalog_commit(b->a.catalog, 0, &change, 1, NULL, 0, &version, &b->f.e),
			 ERR_IO);
	assert_string_equal(names(&b->f, b->a.catalog, &refined, LAYOUT_PUBLISHED, NULL, 0), "x x");
	b->a.store.fails = false;
	assert_string_equal(seen(b, &b->a), "2024-07-15-x");
	GOOD(&b->f, catalog_commit(b->a.catalog, 0, &change, 1, NULL, 0, &version, &b->f.e));
	GOOD(&b->f, catalog_glue_refresh(b->b.catalog, &b->f.e));
	assert_string_equal(names(&b->f, b->b.catalog, &refined, LAYOUT_PUBLISHED, NULL, 0),
			    "x x lost");
}

static void a_death_before_the_put_is_seen(void **state)
{
	struct bench *b = *state;
	struct catalog *inner;
	put_session(&b->f, b->a.catalog, "IBOV", "2024-07-15", "x");
	catalog_free(b->a.catalog);
	/* What a killed process leaves: the change in its copy, and the word that it was on its way. */
	GOOD(&b->f, catalog_sqlite_open(b->a.folder, &clock_system, false, &inner, &b->f.e));
	put_session(&b->f, inner, "IBOV", "2024-07-16", "never");
	catalog_free(inner);
	GOOD(&b->f, file_create(arena_printf(b->f.arena, "%s/bucket.changing", b->a.folder), "", 0,
				false, &b->f.e));
	machine_on(b, &b->a);
	assert_string_equal(seen(b, &b->a), "2024-07-15-x");
}

static void a_lock_holds_over_machines(void **state)
{
	struct bench *b = *state;
	int one, two;
	GOOD(&b->f, catalog_lock(b->a.catalog, &refined, 0, NULL, NULL, &one, &b->f.e));
	assert_int_equal(catalog_lock(b->b.catalog, &refined, 2000000, NULL, NULL, &two, &b->f.e),
			 ERR_CONFLICT);
	assert_non_null(strstr(b->f.e.text, "refined.portfolio"));
	GOOD(&b->f, catalog_lock(b->b.catalog, &raw, 0, NULL, NULL, &two, &b->f.e));
	catalog_unlock(b->b.catalog, two);
	catalog_unlock(b->a.catalog, one);
	GOOD(&b->f, catalog_lock(b->b.catalog, &refined, 0, NULL, NULL, &two, &b->f.e));
	catalog_unlock(b->b.catalog, two);
}

static void what_a_dead_one_left_is_taken(void **state)
{
	struct bench *b = *state;
	struct buf key = {0};
	int handle;
	GOOD(&b->f, catalog_lock(b->a.catalog, &refined, 0, NULL, NULL, &handle, &b->f.e));
	/* Copied from the living: the object stays when its holder is gone. */
	GOOD(&b->f, object_store_get(b->store, "catalog/refined.portfolio.lock", 0, -1, 64, &key,
				     NULL, &b->f.e));
	catalog_unlock(b->a.catalog, handle);
	GOOD(&b->f, object_store_put(b->store, "catalog/refined.portfolio.lock", buf_slice(&key),
				     true, &b->f.e));
	/* Its own machine knows it dead at once, another one after the longest run of a function. */
	GOOD(&b->f, catalog_lock(b->a.catalog, &refined, 0, NULL, NULL, &handle, &b->f.e));
	catalog_unlock(b->a.catalog, handle);
	GOOD(&b->f, object_store_put(b->store, "catalog/refined.portfolio.lock", buf_slice(&key),
				     true, &b->f.e));
	assert_int_equal(catalog_lock(b->b.catalog, &refined, 0, NULL, NULL, &handle, &b->f.e),
			 ERR_CONFLICT);
	b->b.clock.now += INT64_C(16) * 60 * 1000000;
	GOOD(&b->f, catalog_lock(b->b.catalog, &refined, 0, NULL, NULL, &handle, &b->f.e));
	catalog_unlock(b->b.catalog, handle);
	buf_free(&key);
}

static void who_lost_its_lock_commits_nothing(void **state)
{
	struct bench *b = *state;
	const char *keys[] = {
		"refined/portfolio/index_code=IBOV/pregao_date=2024-07-15/action=VALE/l.parquet"};
	struct catalog_file file = published(&b->f, "IBOV", "2024-07-15", "VALE", "l", 1);
	struct catalog_scope scope = {.scope = file.scopes[0], .properties = "{}"};
	struct catalog_change change = {.table = &refined,
					.scopes = &scope,
					.scope_count = 1,
					.files = &file,
					.file_count = 1};
	int one, two;
	int64_t id, version;
	GOOD(&b->f, catalog_lock(b->a.catalog, &refined, 0, NULL, NULL, &one, &b->f.e));
	GOOD(&b->f, catalog_intend(b->a.catalog, &refined, keys, 1, &id, &b->f.e));
	b->b.clock.now += INT64_C(16) * 60 * 1000000;
	GOOD(&b->f, catalog_lock(b->b.catalog, &refined, 0, NULL, NULL, &two, &b->f.e));
	assert_int_equal(catalog_commit(b->a.catalog, id, &change, 1, NULL, 0, &version, &b->f.e),
			 ERR_CONFLICT);
	/* The other one sees the intent, and may clear up after it. */
	GOOD(&b->f, catalog_abandon(b->b.catalog, id, &b->f.e));
	catalog_unlock(b->b.catalog, two);
	catalog_unlock(b->a.catalog, one);
	assert_string_equal(seen(b, &b->a), "");
}

static int count_file(void *ctx, const char *path, int64_t size_bytes)
{
	++*(size_t *)ctx;
	return OK;
}

static void only_a_few_states_stay(void **state)
{
	struct bench *b = *state;
	char name[16];
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		put_session(&b->f, b->a.catalog, "IBOV", "2024-07-15", name);
	}
	char *folder = mem_strdup(arena_printf(b->f.arena, "%s/store/catalog", b->place));
	size_t count = 0;
	GOOD(&b->f, file_walk(folder, count_file, &count, &b->f.e));
	assert_in_range(count, 1, 6);
	free(folder);
	assert_string_equal(seen(b, &b->b), "2024-07-15-n11");
}

static void a_bucket_that_was_put_back_is_told(void **state)
{
	struct bench *b = *state;
	int64_t newest;
	put_session(&b->f, b->a.catalog, "IBOV", "2024-07-15", "x");
	put_session(&b->f, b->a.catalog, "IBOV", "2024-07-16", "x");
	GOOD(&b->f, catalog_glue_generation(b->store, &newest, &b->f.e));
	const char *keys[] = {
		arena_printf(b->f.arena, "catalog/%020lld.sqlite", (long long)newest)};
	GOOD(&b->f, object_store_delete_many(b->store, keys, 1, &b->f.e));
	assert_int_equal(catalog_glue_refresh(b->a.catalog, &b->f.e), ERR_CONFLICT);
	assert_non_null(strstr(b->f.e.text, b->a.folder));
}

#define CASE_OF(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE_OF(one_sees_what_the_other_committed),
		CASE_OF(who_comes_second_does_it_again),
		CASE_OF(a_state_that_cannot_be_put_is_taken_back),
		CASE_OF(a_death_before_the_put_is_seen),
		CASE_OF(a_lock_holds_over_machines),
		CASE_OF(what_a_dead_one_left_is_taken),
		CASE_OF(who_lost_its_lock_commits_nothing),
		CASE_OF(only_a_few_states_stay),
		CASE_OF(a_bucket_that_was_put_back_is_told),
	};
	return RUN_TESTS("catalog_shared");
}
