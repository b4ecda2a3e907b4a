#include "textflag.h"

// rawSignalHandler is called by the kernel, on the thread's signal stack, with
// the signal's number in R0 and its siginfo_t in R1. It writes the number, one
// byte, to rawSignalFD, unless the signal's code (the third word) says that the
// kernel or a timer sent it. The kernel gives every register back when it
// returns.
TEXT rawSignalHandler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW 8(R1), R2
	CMPW $0, R2 // SI_USER; what is above comes from the kernel
	BGT  done
	CMNW $2, R2 // SI_TIMER, -2
	BEQ  done
	SUB $16, RSP
	MOVD R0, 0(RSP)
	MOVW ·rawSignalFD(SB), R0
	MOVD RSP, R1
	MOVD $1, R2
	MOVD $64, R8 // write
	SVC
	ADD $16, RSP
done:
	RET

// rawSignalReturn is where the handler returns to.
TEXT rawSignalReturn<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD $139, R8 // rt_sigreturn
	SVC
	BRK

// func rawSignalEntry() (handler, restorer uintptr)
TEXT ·rawSignalEntry(SB), NOSPLIT, $0-16
	MOVD $rawSignalHandler<>(SB), R0
	MOVD R0, handler+0(FP)
	MOVD $rawSignalReturn<>(SB), R0
	MOVD R0, restorer+8(FP)
	RET
