/* What every parser has to agree on; `struct Keys` of c.rs. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct keys {
    char from_tag[256];
    char call_id[256];
    uint32_t cseq;
};

static inline void keys_set(char field[256], const char *text) {
    snprintf(field, 256, "%s", text ? text : "");
}
