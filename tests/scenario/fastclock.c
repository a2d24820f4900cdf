/* LD_PRELOAD library for tests/scenario: time runs FASTCLOCK_TIMES as fast as it does. The wall's clock shows FASTCLOCK_SHOWN
 * (seconds since 1970) where the real one shows FASTCLOCK_REAL; what waits for a time waits as much less. It is set while the
 * program runs through FASTCLOCK_STEP, a file of eight bytes: by so many seconds it is ahead of that. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
/* Who polls many times a second would else poll thousands of times, and the machine do nothing else. */
#define LEAST_NS INT64_C(2000000)

static int64_t times = 1, shown_s, real_s;
static const int64_t never = 0;
static const volatile int64_t *step_s = &never;

__attribute__((constructor)) static void begin(void)
{
	const char *t = getenv("FASTCLOCK_TIMES"), *s = getenv("FASTCLOCK_SHOWN"),
		   *r = getenv("FASTCLOCK_REAL");
	if (t && s && r) {
		times = strtoll(t, NULL, 10);
		shown_s = strtoll(s, NULL, 10);
		real_s = strtoll(r, NULL, 10);
	}
	const char *step = getenv("FASTCLOCK_STEP");
	int fd = step ? open(step, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(*step_s), PROT_READ, MAP_SHARED, fd, 0)
			    : MAP_FAILED;
	if (map != MAP_FAILED)
		step_s = map;
	if (fd >= 0)
		close(fd);
}

static int64_t real_ns(clockid_t which)
{
	struct timespec t = {0};
	static int (*original)(clockid_t, struct timespec *);
	if (!original)
		original = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	original(which, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static int64_t shown_ns(clockid_t which)
{
	int64_t now = real_ns(which);
	switch (which) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return (shown_s + *step_s) * SECOND + (now - real_s * SECOND) * times;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME: return now * times;
	default: return now;
	}
}

/* How long is to be waited in truth. */
static struct timespec less(int64_t ns)
{
	ns = ns < 0 ? 0 : ns / times;
	return to_timespec(ns > 0 && ns < LEAST_NS ? LEAST_NS : ns);
}

static struct timespec less_of(const struct timespec *t)
{
	return less(t->tv_sec * SECOND + t->tv_nsec);
}

/* -- what time it is --------------------------------------------------------------------------- */

int clock_gettime(clockid_t which, struct timespec *ret)
{
	*ret = to_timespec(shown_ns(which));
	return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	int64_t ns = shown_ns(CLOCK_REALTIME);
	(void)zone;
	*ret = (struct timeval){.tv_sec = ns / SECOND, .tv_usec = ns % SECOND / 1000};
	return 0;
}

time_t time(time_t *ret)
{
	time_t now = shown_ns(CLOCK_REALTIME) / SECOND;
	if (ret)
		*ret = now;
	return now;
}

/* -- waiting ----------------------------------------------------------------------------------- */

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	struct timespec t = less_of(wanted);
	return (int)syscall(SYS_nanosleep, &t, left);
}

int usleep(useconds_t us)
{
	struct timespec t = less((int64_t)us * 1000);
	return (int)syscall(SYS_nanosleep, &t, NULL);
}

int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
		 const struct timespec *restrict limit)
{
	struct timespec t = less_of(limit);
	static int (*original)(const sigset_t *, siginfo_t *, const struct timespec *);
	if (!original)
		original = (int (*)(const sigset_t *, siginfo_t *, const struct timespec *))dlsym(
			RTLD_NEXT, "sigtimedwait");
	return original(set, info, &t);
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec t = less((int64_t)ms * 1000000);
	return ppoll(fds, n, ms < 0 ? NULL : &t, NULL);
}

/* Nobody's monotonic clock has run for thirty years. */
static struct timespec until(const struct timespec *shown, clockid_t *ret_clock)
{
	*ret_clock = shown->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	struct timespec wait = less(shown->tv_sec * SECOND + shown->tv_nsec - shown_ns(*ret_clock));
	return to_timespec(real_ns(*ret_clock) + wait.tv_sec * SECOND + wait.tv_nsec);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t which,
			   const struct timespec *shown)
{
	clockid_t clock;
	struct timespec t = until(shown, &clock);
	static int (*original)(pthread_cond_t *, pthread_mutex_t *, clockid_t,
			       const struct timespec *);
	if (!original)
		original = (int (*)(pthread_cond_t *, pthread_mutex_t *, clockid_t,
				    const struct timespec *))dlsym(RTLD_NEXT,
								   "pthread_cond_clockwait");
	(void)which;
	return original(cond, mutex, clock, &t);
}

/* Whichever clock the condition goes by, it is this one. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			   const struct timespec *shown)
{
	return pthread_cond_clockwait(cond, mutex, CLOCK_REALTIME, shown);
}
