/* Allocation that ends the process rather than fail, and arenas: chains of blocks that are freed
 * together. A request too big for what is left of a block gets a block of its own when it is large,
 * so that little is wasted. */
#include "mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_FIRST_BYTES ((size_t)4 << 10)
#define BLOCK_LAST_BYTES  ((size_t)256 << 10)

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "pregao: out of memory\n";
	/* Nothing that allocates may be called any more. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *mem_array(size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	return mem_alloc(bytes);
}

void *mem_grow(void *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	void *grown = realloc(p, bytes ? bytes : 1);
	if (!grown)
		out_of_memory();
	return grown;
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	if (n == SIZE_MAX)
		out_of_memory();
	char *copy = mem_alloc(n + 1);
	if (n)
		memcpy(copy, s, n);
	return copy;
}

void mem_give_back(void)
{
	malloc_trim(0);
}

void *mem_push(void **items, size_t *count, size_t *cap, size_t size)
{
	if (*count == *cap) {
		size_t wider = *cap ? *cap * 2 : 8;
		*items = mem_grow(*items, wider, size);
		*cap = wider;
	}
	char *at = (char *)*items + *count * size;
	memset(at, 0, size);
	++*count;
	return at;
}

void mem_free_cleanup(void *pointer_to_pointer)
{
	void *p;
	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
}

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char bytes[];
};
struct arena {
	struct block *blocks; /* the first is the one being filled */
	size_t bytes;
};

struct arena *arena_new(void)
{
	return NEW(struct arena);
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

void arena_cleanup(struct arena **a)
{
	arena_free(*a);
	*a = NULL;
}

static struct block *block_new(size_t size)
{
	size_t bytes;
	if (__builtin_add_overflow(sizeof(struct block), size, &bytes))
		out_of_memory();
	struct block *b = mem_alloc(bytes);
	b->size = size;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	size_t wanted;
	if (__builtin_add_overflow(size ? size : 1, align - 1, &wanted))
		out_of_memory();
	wanted -= wanted % align;
	a->bytes += wanted;

	struct block *b = a->blocks;
	if (b && b->size - b->used >= wanted) {
		b->used += wanted;
		return b->bytes + b->used - wanted;
	}
	if (b && wanted > BLOCK_LAST_BYTES / 4) {
		struct block *own = block_new(wanted);
		own->used = wanted;
		own->next = b->next;
		b->next = own;
		return own->bytes;
	}
	size_t size_next = !b ? BLOCK_FIRST_BYTES : b->size * 2;
	if (size_next > BLOCK_LAST_BYTES)
		size_next = BLOCK_LAST_BYTES;
	struct block *fresh = block_new(wanted > size_next ? wanted : size_next);
	fresh->used = wanted;
	fresh->next = b;
	a->blocks = fresh;
	return fresh->bytes;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	return arena_alloc(a, bytes);
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	if (n == SIZE_MAX)
		out_of_memory();
	char *copy = arena_alloc(a, n + 1);
	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char brief[256]; /* most texts fit and are formatted once */
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(brief, sizeof(brief), fmt, args);
	va_end(args);
	size_t length = n > 0 ? (size_t)n : 0;
	char *text = arena_alloc(a, length + 1);
	if (length < sizeof(brief))
		memcpy(text, brief, length);
	else
		vsnprintf(text, length + 1, fmt, again);
	va_end(again);
	return text;
}

size_t arena_bytes(const struct arena *a)
{
	return a->bytes;
}
