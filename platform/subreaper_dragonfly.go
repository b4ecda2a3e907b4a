package platform

const procReapAcquire = 1 // PROC_REAP_ACQUIRE of <sys/procctl.h>; x/sys has none
