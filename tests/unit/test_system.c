/* The composition of a lake, as roles use it: for months, asking for its parts many times a second. */
#include "unit.h"

#include <malloc.h>

#include "options.h"
#include "system.h"

#define ROUNDS 2000

/* Memory that is in use, without what lies freed. Sanitizers have their own books, and say 0. */
static size_t used(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void round_of(struct system *s)
{
	static const char *const queues[] = {"raw-created", "backup", "scheduled"};
	struct err e = ERR_INIT;
	struct queue *queue;
	struct delivery_stream *stream;
	struct scheduler *scheduler;
	struct job_engine *jobs;
	for (size_t i = 0; i < ARRAY_LEN(queues); i++)
		assert_int_equal(system_named_queue(s, queues[i], &queue, &e), OK);
	assert_int_equal(system_relay(s, system_catalog(s), &e), OK);
	assert_int_equal(system_scheduler(s, &scheduler, &e), OK);
	assert_int_equal(system_stream(s, STREAM_READ, &stream, &e), OK);
	assert_int_equal(system_job_engine(s, &jobs, &e), OK);
}

static void asking_again_keeps_no_memory(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *lake = path_in(folder, "lake");
	struct conf *conf = conf_new(settings, settings_count);
	struct system *s;
	struct err e = ERR_INIT;
	(void)state;
	assert_int_equal(system_open(&(struct system_options){.lake = lake,
							      .definitions = folder,
							      .role = "test",
							      .conf = conf,
							      .mode = SYSTEM_WRITE,
							      .no_threads = true},
				     &s, &e),
			 OK);
	for (int i = 0; i < ROUNDS / 10; i++)
		round_of(s);
	size_t before = used();
	for (int i = 0; i < ROUNDS; i++)
		round_of(s);
	size_t after = used();
	/* A line of SQLite's cache more or less; not some bytes for each round. */
	assert_true(after < before + (size_t)16 * ROUNDS);
	system_free(s);
	conf_free(conf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(asking_again_keeps_no_memory)};
	return RUN_TESTS("system");
}
