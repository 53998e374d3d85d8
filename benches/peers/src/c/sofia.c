/* sofia-sip: parses one datagram and frees it. 1 where it was accepted; `keys` may be NULL. */
#include <sofia-sip/msg.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>

#include "keys.h"

static int keys_of(const sip_t *sip, struct keys *keys) {
    if (!sip->sip_from || !sip->sip_call_id || !sip->sip_cseq) return 0;
    keys_set(keys->from_tag, sip->sip_from->a_tag);
    keys_set(keys->call_id, sip->sip_call_id->i_id);
    keys->cseq = sip->sip_cseq->cs_seq;
    return 1;
}

int peer_sofia_parse(const char *bytes, size_t length, struct keys *keys) {
    msg_t *msg = msg_make(sip_default_mclass(), 0, bytes, (ssize_t)length);
    if (!msg) return 0;
    const sip_t *sip = (const sip_t *)msg_object(msg);
    int accepted = sip && !(sip->sip_flags & MSG_FLG_ERROR) && !sip->sip_error;
    if (accepted && keys) accepted = keys_of(sip, keys);
    msg_destroy(msg);
    return accepted;
}
