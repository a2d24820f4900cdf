/* Collecting and delivering in one process: a stream, a thread that delivers, and a clean end.
 */
#include "streaming.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "stream_health.h"

struct streaming {
	struct system *system;
	struct delivery_stream *stream;
	struct catalog *catalog; /* the thread's own */
	struct deliver deliver;
	atomic_bool stop, ended;
	pthread_t thread;
	bool running;
	struct deliver_result result;
	int code;
	struct err why;
};

/* As `up` does it: the queues hear of an object as soon as it is there. */
static int relay(void *ctx, struct err *e)
{
	struct streaming *s = ctx;
	return system_relay(s->system, s->catalog, e);
}

static void *deliver_thread(void *arg)
{
	struct streaming *s = arg;
	s->code = deliver_run(&s->deliver, &s->stop, &s->result, &s->why);
	atomic_store(&s->ended, true);
	return NULL;
}

int streaming_begin(struct system *sys, const char *run, struct streaming **ret, struct err *e)
{
	struct streaming *s = NEW(struct streaming);
	s->system = sys;
	s->why = (struct err)ERR_INIT;
	struct queue *queue;
	int rc = system_stream(sys, STREAM_APPEND, &s->stream, e);
	/* Opened here, for they are the system's, and used by the thread until it ends. */
	if (rc == OK)
		rc = system_queue(sys, &queue, e);
	if (rc == OK)
		rc = system_backup_queue(sys, &queue, e);
	if (rc == OK)
		rc = system_catalog_again(sys, &s->catalog, e);
	if (rc == OK) {
		s->deliver = system_deliver(sys, s->stream, run);
		s->deliver.publish.catalog = s->catalog;
		s->deliver.announce = relay;
		s->deliver.ctx = s;
		/* Whoever opens the stream has sealed what the one before left: `up`, perhaps, which could not. */
		stream_works(system_telemetry(sys), run, STREAM_SEALS, false);
		/* Signals are for the thread that waits for them. */
		sigset_t all, before;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		int errnum = pthread_create(&s->thread, NULL, deliver_thread, s);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (errnum)
			rc = err_errno(e, errnum, "cannot start a thread");
		else
			s->running = true;
	}
	if (rc) {
		catalog_free(s->catalog);
		free(s);
		return rc;
	}
	*ret = s;
	return OK;
}

struct delivery_stream *streaming_stream(struct streaming *s)
{
	return s->stream;
}

int streaming_works(struct streaming *s, struct err *e)
{
	if (!atomic_load(&s->ended))
		return OK;
	*e = s->why;
	return s->code ? s->code : err_set(e, ERR_CONFLICT, "the delivery has ended");
}

int streaming_end(struct streaming *s, struct deliver_result *ret, struct err *e)
{
	if (!s)
		return OK;
	atomic_store(&s->stop, true);
	if (s->running)
		pthread_join(s->thread, NULL);
	int rc = s->code;
	if (rc && e)
		*e = s->why;
	if (ret)
		*ret = s->result;
	catalog_free(s->catalog);
	free(s);
	return rc;
}

static atomic_bool stop_asked;
static volatile sig_atomic_t asked_at_s;

/* Whoever asks again after a while does not want to wait; what comes at once is the same asking:
 * timeout(1) and some terminals send a signal to the process and to its group. */
static void on_signal(int number)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!atomic_exchange(&stop_asked, true)) {
		asked_at_s = (sig_atomic_t)now.tv_sec;
	} else if (now.tv_sec - asked_at_s >= 2) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

atomic_bool *streaming_stop_on_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct sigaction now, then = {.sa_handler = on_signal};
		if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaction(numbers[i], &then, NULL);
	}
	return &stop_asked;
}
