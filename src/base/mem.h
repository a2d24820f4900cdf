/* Memory: allocation that cannot fail, arenas, and cleanup attributes. There is one out-of-memory
 * path: the process says so on stderr and ends with status 1. The lake is built to be killed at any
 * moment, so an orderly unwinding would add code and no safety. */
#ifndef PREGAO_MEM_H
#define PREGAO_MEM_H

#include <stddef.h>
#include <stdlib.h>

#define NEVER_NULL __attribute__((returns_nonnull))
/* zeroed; size 0 gives a unique pointer; free with free() */
void *mem_alloc(size_t size) NEVER_NULL;
/* zeroed; dies when count * size overflows */
void *mem_array(size_t count, size_t size) NEVER_NULL;
/* realloc; what is new is not zeroed */
void *mem_grow(void *p, size_t count, size_t size) NEVER_NULL;
char *mem_strdup(const char *s);            /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n); /* exactly n bytes and a NUL */

/* Gives what was freed back to the system, from all threads' heaps, where the C library otherwise keeps it: after work
 * that took much more than what follows. Some milliseconds. */
void mem_give_back(void);

#define NEW(type)          ((type *)mem_alloc(sizeof(type)))
#define NEW_ARRAY(n, type) ((type *)mem_array((n), sizeof(type)))
#define ARRAY_LEN(a)       (sizeof(a) / sizeof((a)[0]))

/* Appends one element to a growing array `items` with `count` and `cap` beside it; yields a pointer
 * to it, zeroed. */
void *mem_push(void **items, size_t *count, size_t *cap, size_t size) NEVER_NULL;
#define PUSH(items, count, cap) \
	((__typeof__(items))mem_push((void **)&(items), &(count), &(cap), sizeof(*(items))))

/* CLEANUP(fn) runs fn(&variable) at the end of the scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
void mem_free_cleanup(void *pointer_to_pointer);
#define AUTO_FREE CLEANUP(mem_free_cleanup)

/* An arena owns everything allocated from it, until arena_free. Not thread safe. */
struct arena;
struct arena *arena_new(void) NEVER_NULL;
void arena_free(struct arena *); /* NULL is fine */
void arena_cleanup(struct arena **);
#define AUTO_ARENA CLEANUP(arena_cleanup)
/* zeroed, aligned for any type */
void *arena_alloc(struct arena *, size_t size) NEVER_NULL;
void *arena_array(struct arena *, size_t count, size_t size) NEVER_NULL;
char *arena_strdup(struct arena *, const char *s);
char *arena_strndup(struct arena *, const char *s, size_t n);
char *arena_printf(struct arena *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull(2), returns_nonnull));
size_t arena_bytes(const struct arena *);
#define ANEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ANEW_ARRAY(arena, n, type) ((type *)arena_array((arena), (n), sizeof(type)))

#endif
