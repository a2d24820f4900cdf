/* How nodes hang together: names to pointers, an order in which each comes after its inputs, no
 * cycle, nothing left over. */
#include "graph.h"

#include <string.h>

const struct node *graph_find(const struct job *job, const char *id)
{
	for (size_t i = 0; i < job->node_count; i++)
		if (strcmp(job->nodes[i].id, id) == 0)
			return &job->nodes[i];
	return NULL;
}

int graph_unknown_node(const struct job *job, const char *id, int code, struct err *e)
{
	const char *ids[JOB_MAX_NODES] = {NULL};
	for (size_t i = 0; i < job->node_count; i++)
		ids[i] = job->nodes[i].id;
	const char *nearest = str_nearest(id, ids, job->node_count);
	if (nearest)
		return err_set(e, code, "there is no node '%s'; did you mean '%s'?", id, nearest);
	return err_set(e, code, "there is no node '%.80s'", id);
}

static int resolve(struct arena *arena, struct job *job, struct node *node, struct err *e)
{
	node->input_count = node->input_names.count;
	node->inputs = ANEW_ARRAY(arena, node->input_count, struct node *);
	for (size_t i = 0; i < node->input_count; i++) {
		const char *id = node->input_names.items[i];
		node->inputs[i] = (struct node *)graph_find(job, id);
		if (!node->inputs[i])
			return at_place(node->place, e, graph_unknown_node(job, id, ERR_INPUT, e));
		if (node->inputs[i]->kind == NODE_TARGET)
			return at_place(
				node->place, e,
				err_set(e, ERR_INPUT, "'%s' is a target, nothing follows it", id));
		for (size_t j = 0; j < i; j++)
			if (node->inputs[i] == node->inputs[j] && node->kind != NODE_UNION)
				return at_place(
					node->place, e,
					err_set(e, ERR_INPUT, "'%s' is an input twice", id));
	}
	return OK;
}

/* Depth first; `path` holds the nodes between the start and here, which is where a cycle shows. */
struct walk {
	struct job *job;
	struct node *path[JOB_MAX_NODES];
	size_t depth, ordered;
	struct err *e;
};

static int cycle(const struct walk *w, const struct node *node)
{
	struct buf AUTO_BUF path = {.ceiling = 600};
	size_t i = 0;
	while (w->path[i] != node)
		i++;
	for (; i < w->depth; i++)
		buf_printf(&path, "%s <- ", w->path[i]->id);
	return at_place(node->place, w->e,
			err_set(w->e, ERR_INPUT, "the nodes go round in a circle: %s%s", path.data,
				node->id));
}

static int visit(struct walk *w, struct node *node)
{
	for (size_t i = 0; i < w->depth; i++)
		if (w->path[i] == node)
			return cycle(w, node);
	if (node->seen)
		return OK;
	w->path[w->depth++] = node;
	for (size_t i = 0; i < node->input_count; i++)
		TRY(visit(w, node->inputs[i]));
	w->depth--;
	node->seen = true;
	w->job->order[w->ordered++] = node;
	return OK;
}

/* Targets write and quality nodes may stop the run; whatever else nobody reads is a mistake. */
static int refuse_unused(struct job *job, struct err *e)
{
	bool writes = false;
	for (size_t i = 0; i < job->node_count; i++) {
		struct node *node = &job->nodes[i];
		bool used = node->kind == NODE_TARGET || node->kind == NODE_QUALITY;
		for (size_t j = 0; j < job->node_count && !used; j++)
			for (size_t k = 0; k < job->nodes[j].input_count; k++)
				used |= job->nodes[j].inputs[k] == node;
		if (!used)
			return at_place(
				node->place, e,
				err_set(e, ERR_INPUT, "nothing takes the rows of this node"));
		writes |= node->kind == NODE_TARGET;
	}
	return writes ? OK : at_place(job->file, e, err_set(e, ERR_INPUT, "the job has no target"));
}

static int same_table(struct err *e, const struct node *node, const struct node *other)
{
	return at_place(node->place, e,
			err_set(e, ERR_INPUT, "node '%s' writes the table %s.%s too", other->id,
				node->target.def.database, node->target.def.name));
}

/* Locations have a fixed number of parts, so none lies inside another. */
static bool same_location(const struct table_def *a, const struct table_def *b)
{
	return strcmp(a->location, b->location) == 0 ||
	       (a->compact_location && b->compact_location &&
		strcmp(a->compact_location, b->compact_location) == 0);
}

/* A run reads what was there before it and writes whole scopes: two writers of one table, or a
 * reader of what is written, have no sound order. */
static int refuse_shared_tables(struct job *job, struct err *e)
{
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = &job->nodes[i];
		if (node->kind != NODE_TARGET)
			continue;
		for (size_t j = 0; j < job->node_count; j++) {
			const struct node *other = &job->nodes[j];
			if (j < i && other->kind == NODE_TARGET &&
			    strcmp(other->target.def.database, node->target.def.database) == 0 &&
			    strcmp(other->target.def.name, node->target.def.name) == 0)
				return same_table(e, node, other);
			if (j < i && other->kind == NODE_TARGET &&
			    same_location(&other->target.def, &node->target.def))
				return at_place(node->place, e,
						err_set(e, ERR_INPUT,
							"node '%s' writes to the location %s too",
							other->id, node->target.def.location));
			if (other->kind == NODE_SOURCE &&
			    strcmp(other->source.database, node->target.def.database) == 0 &&
			    strcmp(other->source.table, node->target.def.name) == 0)
				return at_place(
					node->place, e,
					err_set(e, ERR_INPUT,
						"the job reads the table %s.%s that it writes",
						node->target.def.database, node->target.def.name));
		}
	}
	return OK;
}

static bool reads(const struct source *source, const struct job_trigger *t)
{
	return strcmp(source->database, t->database) == 0 && strcmp(source->table, t->table) == 0;
}

bool graph_is_trigger(const struct job *job, const struct source *source)
{
	for (size_t i = 0; i < job->trigger_count; i++)
		if (reads(source, &job->triggers[i]))
			return true;
	return false;
}

static int refuse_unread_triggers(struct job *job, struct err *e)
{
	for (size_t i = 0; i < job->trigger_count; i++) {
		const struct job_trigger *t = &job->triggers[i];
		bool found = false;
		for (size_t j = 0; j < job->node_count && !found; j++)
			found = job->nodes[j].kind == NODE_SOURCE &&
				reads(&job->nodes[j].source, t);
		if (!found)
			return at_place(
				job->file, e,
				err_set(e, ERR_INPUT,
					"the trigger %s.%s is not the table of any source node",
					t->database, t->table));
	}
	return OK;
}

int graph_link(struct arena *arena, struct job *job, struct err *e)
{
	struct walk w = {.job = job, .e = e};
	job->order = ANEW_ARRAY(arena, job->node_count, struct node *);
	for (size_t i = 0; i < job->node_count; i++)
		TRY(resolve(arena, job, &job->nodes[i], e));
	/* What a job is for comes last: a preview without a node shows it. */
	for (int targets = 0; targets < 2; targets++)
		for (size_t i = 0; i < job->node_count; i++)
			if ((job->nodes[i].kind == NODE_TARGET) == targets)
				TRY(visit(&w, &job->nodes[i]));
	TRY(refuse_unused(job, e));
	TRY(refuse_shared_tables(job, e));
	return refuse_unread_triggers(job, e);
}
