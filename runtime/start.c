/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an executable begins: finds argc, argv and the auxiliary vector on the stack. */
#include "runtime/cpu.h"
#include "runtime/program.h"
#include "runtime/sys.h"

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-64,%rsp\n call "
	"adze_start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n and sp,x0,#-16\n bl "
	"adze_start\n");
#elif defined(__riscv)
__asm__(".globl _start\n_start:\n .option push\n .option norelax\n lla gp,__global_pointer$\n"
	" .option pop\n mv a0,sp\n andi sp,sp,-16\n call adze_start\n");
#elif defined(__arm__)
__asm__(".globl _start\n_start:\n mov fp,#0\n mov lr,#0\n mov r0,sp\n bic sp,sp,#15\n bl "
	"adze_start\n");
#endif

/* The ABI lets a program run with subnormals flushed or traps on; here both are as numerics.md wants from
 * the start, so nothing is set. */
__attribute__((noreturn, used)) void adze_start(const uintptr_t *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	const uintptr_t *auxiliary = stack + argc + 2;
	while (*auxiliary) /* the environment */
		auxiliary++;
	cpu_remember(auxiliary + 1);
	sys_exit(program_main(argc, argv));
}
