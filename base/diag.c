/* SPDX-License-Identifier: Apache-2.0
 *
 * Reporting, and the one place that lays a message out as text: location, severity, message and, when
 * the text it points into is registered, the line with a marker under it. Text that comes from files
 * passes through here to a terminal, so control characters never do. */
#include "base/diag.h"

#include <string.h>

#include "base/ctx.h"
#include "base/limits.h"
#include "base/text.h"

#define LINE_MAX_SHOWN 120 /* bytes of a source line; longer ones are cut around the marker */
#define LINE_BEFORE    40  /* bytes kept before the marker of a line that is cut */
#define WORD_MAX       64  /* longer words have no near ones */

static void deliver(az_ctx *ctx, const az_message *message)
{
	az_diag *diag = &ctx->diag;
	if (diag->handler) {
		diag->handler(diag->handler_data, ctx, message);
		return;
	}
	az_message *stored = az_new(&ctx->arena, az_message);
	*stored = *message;
	*(diag->last ? diag->last : &diag->first) = stored;
	diag->last = &stored->next;
}

static void format_message(az_ctx *ctx, az_severity severity, az_loc loc, const char *format,
	va_list args)
{
	az_message message = {.severity = severity, .loc = loc};
	message.text = az_arena_vprintf(&ctx->arena, format, args);
	deliver(ctx, &message);
}

static void format_guarded(az_ctx *ctx, az_severity severity, az_loc loc, const char *format,
	va_list args)
{
	AZ_GUARD(ctx, return);
	format_message(ctx, severity, loc, format, args);
	AZ_UNGUARD(ctx);
}

/* Counts first: a message lost for want of memory is still an error. */
static void report(az_ctx *ctx, az_severity severity, az_loc loc, const char *format, va_list args)
{
	if (severity == AZ_SEVERITY_ERROR)
		ctx->diag.error_count++;
	else if (severity == AZ_SEVERITY_WARNING)
		ctx->diag.warning_count++;
	if (ctx->guard_depth) /* the entry point under way fails as a whole */
		format_message(ctx, severity, loc, format, args);
	else
		format_guarded(ctx, severity, loc, format, args);
}

bool az_error(az_ctx *ctx, az_loc loc, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	report(ctx, AZ_SEVERITY_ERROR, loc, format, args);
	va_end(args);
	return false;
}

void az_warning(az_ctx *ctx, az_loc loc, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	report(ctx, AZ_SEVERITY_WARNING, loc, format, args);
	va_end(args);
}

void az_note(az_ctx *ctx, az_loc loc, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	report(ctx, AZ_SEVERITY_NOTE, loc, format, args);
	va_end(args);
}

bool az_error_limit(const az_ctx *ctx)
{
	return ctx->diag.error_count >= AZ_ERRORS_MAX;
}

void az_diag_source(az_ctx *ctx, az_name file, const char *text, size_t size)
{
	az_source *source = az_new(&ctx->arena, az_source);
	*source = (az_source){.file = file, .text = text, .size = size};
	source->next = ctx->diag.sources;
	ctx->diag.sources = source; /* newest first: a file read again hides its older text */
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* Line breaks stay, other control characters become '?'. */
static void add_clean(az_text *out, const char *text, size_t n, bool keep_lines)
{
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		bool keep = c == '\t' || (c == '\n' && keep_lines) || !is_control((unsigned char)c);
		az_text_add_char(out, keep ? c : '?');
	}
}

/* The line with this number, without its end; false when the text has fewer. */
static bool find_line(const az_source *source, uint32_t number, const char **line, size_t *length)
{
	const char *p = source->text, *end = p + source->size;
	for (uint32_t i = 1; i < number; i++) {
		p = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		if (!p)
			return false;
		p++;
	}
	const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	*line = p;
	*length = (size_t)((stop ? stop : end) - p);
	if (*length && p[*length - 1] == '\r')
		--*length;
	return true;
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The line and, under it, blanks (tabs where the line has them, nothing for the further bytes of a
 * UTF-8 character) up to the column, then ^~~~. */
static void add_caret(az_text *out, const az_loc *loc, const char *line, size_t length)
{
	size_t column = loc->col - 1, first = 0;
	if (column > length)
		column = length;
	if (length > LINE_MAX_SHOWN && column > LINE_BEFORE)
		first = column - LINE_BEFORE;
	while (first && first < length && is_continuation(line[first]))
		first--;
	size_t last = AZ_MIN(length, first + LINE_MAX_SHOWN);
	const char *lead = first ? "..." : "";
	az_text_add(out, "%5u | %s", loc->line, lead);
	add_clean(out, line + first, last - first, false);
	az_text_add(out, "%s\n      | %.*s", last < length ? "..." : "", (int)strlen(lead), "   ");
	for (size_t i = first; i < column; i++) {
		if (!is_continuation(line[i]))
			az_text_add_char(out, line[i] == '\t' ? '\t' : ' ');
	}
	az_text_add_char(out, '^');
	for (size_t i = column + 1; i < last && i - column < loc->len; i++) {
		if (!is_continuation(line[i]))
			az_text_add_char(out, '~');
	}
	az_text_add_char(out, '\n');
}

static void add_source_line(az_text *out, const az_ctx *ctx, const az_loc *loc)
{
	const char *line;
	size_t length;
	for (const az_source *source = ctx->diag.sources; source; source = source->next) {
		if (source->file != loc->file)
			continue;
		if (find_line(source, loc->line, &line, &length))
			add_caret(out, loc, line, length);
		return;
	}
}

char *az_message_format(az_arena *arena, const az_ctx *ctx, const az_message *message)
{
	static const char *const severities[] = {"error", "warning", "note"};
	const az_loc *loc = &message->loc;
	az_text out = {.arena = arena};
	if (loc->file) {
		add_clean(&out, loc->file, strlen(loc->file), false);
		if (loc->line)
			az_text_add(&out, ":%u", loc->line);
		if (loc->line && loc->col)
			az_text_add(&out, ":%u", loc->col);
		az_text_add(&out, ": ");
	}
	if (loc->node || loc->op) {
		az_text_add(&out, "node");
		if (loc->node) {
			az_text_add_char(&out, ' ');
			az_text_add_quoted(&out, loc->node);
		}
		if (loc->op) {
			az_text_add(&out, " (");
			add_clean(&out, loc->op, strlen(loc->op), false);
			az_text_add_char(&out, ')');
		}
		az_text_add(&out, ": ");
	}
	az_text_add(&out, "%s: ", severities[message->severity]);
	add_clean(&out, message->text, strlen(message->text), true);
	az_text_add_char(&out, '\n');
	if (loc->file && loc->line && loc->col)
		add_source_line(&out, ctx, loc);
	return out.v;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one
 * each. Three rows of the table are alive at a time. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[3][WORD_MAX + 1];
	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
			best = AZ_MIN(best, before[j] + 1);
			best = AZ_MIN(best, now[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = AZ_MIN(best, earlier[j - 2] + 1);
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

const char *az_nearest_word(const char *word, const char *(*next)(void *state), void *state)
{
	size_t length = strlen(word);
	if (length == 0 || length > WORD_MAX)
		return NULL;
	const char *nearest = NULL;
	size_t best = length / 3 + 2; /* at most a third of the letters, and one, may differ */
	for (const char *candidate; (candidate = next(state));) {
		size_t n = strlen(candidate);
		if (n > WORD_MAX)
			continue;
		size_t distance = edit_distance(word, length, candidate, n);
		if (distance < best && distance < AZ_MAX(length, n)) {
			best = distance;
			nearest = candidate;
		}
	}
	return nearest;
}
