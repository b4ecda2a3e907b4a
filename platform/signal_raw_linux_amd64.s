#include "textflag.h"

// rawSignalHandler is called by the kernel, on the thread's signal stack, with
// the signal's number in DI. It writes the number, one byte, to rawSignalFD.
// The kernel gives every register back when it returns.
TEXT rawSignalHandler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	SUBQ $24, SP
	MOVQ DI, 0(SP)
	MOVL ·rawSignalFD(SB), DI
	MOVQ SP, SI
	MOVL $1, DX
	MOVL $1, AX // write
	SYSCALL
	ADDQ $24, SP
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
