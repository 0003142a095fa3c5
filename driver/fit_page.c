/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as one page: driver/fit_page.html, carried inside the command, with the JSON of the report in the
 * place of its mark. Nothing of a network's names can end the element that holds the JSON or open another: `<`
 * stands in JSON inside strings alone, and is written there as its escape. */
#include <string.h>

#include "driver/fit.h"

#define MARK "@NUMBERS@"

/* Of the assembler file that CMakeLists.txt makes; the text ends in a zero. */
extern const char az_fit_page_html[];

bool az_fit_page(const az_fit *fit, const az_fit_point *best, const char *path)
{
	const char *mark = strstr(az_fit_page_html, MARK);
	json_object *o = az_fit_json(fit, best);
	az_text page = {.arena = &fit->job->arena};
	az_text_add_bytes(&page, az_fit_page_html, (size_t)(mark - az_fit_page_html));
	for (const char *at = az_json_text(o); *at;) {
		size_t plain = strcspn(at, "<");
		az_text_add_bytes(&page, at, plain);
		at += plain;
		if (*at && at++)
			az_text_add(&page, "\\u003c");
	}
	json_object_put(o);
	az_text_add_bytes(&page, mark + strlen(MARK), strlen(mark + strlen(MARK)));
	return az_file_write(fit->job->ctx, path, page.v, page.count, false);
}
