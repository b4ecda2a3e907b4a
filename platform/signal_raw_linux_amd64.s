#include "textflag.h"

// rawSignalHandler is called by the kernel, on the thread's signal stack, with
// the signal's number in DI and its siginfo_t in SI. It writes the number, one
// byte, to rawSignalFD, unless the signal's code (the third word) says that the
// kernel or a timer sent it. The kernel gives every register back when it
// returns.
TEXT rawSignalHandler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL 8(SI), AX
	CMPL AX, $0 // SI_USER; what is above comes from the kernel
	JGT  done
	CMPL AX, $-2 // SI_TIMER
	JEQ  done
	SUBQ $24, SP
	MOVQ DI, 0(SP)
	MOVL ·rawSignalFD(SB), DI
	MOVQ SP, SI
	MOVL $1, DX
	MOVL $1, AX // write
	SYSCALL
	ADDQ $24, SP
done:
	RET

// rawSignalReturn is where the handler returns to.
TEXT rawSignalReturn<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL $15, AX // rt_sigreturn
	SYSCALL
	INT $3

// func rawSignalEntry() (handler, restorer uintptr)
TEXT ·rawSignalEntry(SB), NOSPLIT, $0-16
	LEAQ rawSignalHandler<>(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ rawSignalReturn<>(SB), AX
	MOVQ AX, restorer+8(FP)
	RET
