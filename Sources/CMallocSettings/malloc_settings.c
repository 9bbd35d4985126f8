#include "malloc_settings.h"

const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,oversize_threshold:262144,prof_active:false,lg_prof_sample:19";
