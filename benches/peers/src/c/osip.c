/* libosip2: parses one datagram and frees it. 1 where it was accepted; `keys` may be NULL. */
#include <stdlib.h>

#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>

#include "keys.h"

void peer_osip_init(void) { parser_init(); }

static int keys_of(osip_message_t *message, struct keys *keys) {
    osip_generic_param_t *tag = NULL;
    if (!message->from || !message->call_id || !message->cseq) return 0;
    osip_from_get_tag(message->from, &tag);
    keys_set(keys->from_tag, tag ? tag->gvalue : NULL);
    const osip_call_id_t *id = message->call_id;
    if (id->host)
        snprintf(keys->call_id, sizeof keys->call_id, "%s@%s", id->number, id->host);
    else
        keys_set(keys->call_id, id->number);
    keys->cseq = (uint32_t)strtoul(message->cseq->number, NULL, 10);
    return 1;
}

int peer_osip_parse(const char *bytes, size_t length, struct keys *keys) {
    osip_message_t *message = NULL;
    if (osip_message_init(&message) != 0) return 0;
    int accepted = osip_message_parse(message, bytes, length) == 0;
    if (accepted && keys) accepted = keys_of(message, keys);
    osip_message_free(message);
    return accepted;
}
