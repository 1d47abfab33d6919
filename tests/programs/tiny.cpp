// SPDX-License-Identifier: MIT
/// @file tiny.cpp The smallest program: no C library, exits with 0. What a test or
/// benchmark starts to see our own cost rather than the program's.
extern "C" [[noreturn]] void _start() {
#if defined(__x86_64__)
    constexpr long exit_group = 231;
    asm volatile("syscall" : : "a"(exit_group), "D"(0) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number asm("x8") = 94;
    register long code asm("x0") = 0;
    asm volatile("svc 0" : : "r"(number), "r"(code) : "memory");
#else
#error "name the exit_group system call of this machine here"
#endif
    __builtin_unreachable();
}
