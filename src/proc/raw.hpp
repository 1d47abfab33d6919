// SPDX-License-Identifier: MIT
#pragma once
/// @file raw.hpp System calls and clones without the C library, for code that runs in a child that
/// shares our memory, or that has none of it left: no errno, no thread-local storage, no
/// instrumentation.
#include <sys/syscall.h>

#include <csignal>
#include <cstdint>

// A function marked so reads and writes nothing behind the back of its source: no sanitizer, no
// canary.
#if defined(__clang__)
#define REPARTIR_RAW                                                                  \
    __attribute__((disable_sanitizer_instrumentation,                                 \
                   no_sanitize("address", "thread", "undefined"), no_stack_protector, \
                   no_profile_instrument_function))
#else
#define REPARTIR_RAW                                                            \
    __attribute__((no_sanitize("address,thread,undefined"), no_stack_protector, \
                   no_profile_instrument_function))
#endif
#define REPARTIR_RAW_INLINE REPARTIR_RAW __attribute__((always_inline)) inline

namespace repartir::proc::raw {

#if defined(__x86_64__)

// NOLINTBEGIN(misc-const-correctness): it does not see what the assembler writes
/// @return what the kernel returned: -errno when it failed.
REPARTIR_RAW_INLINE long call(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                              long e = 0) noexcept {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

/// Makes a clone call; the child, which must have been given a stack, runs entry(argument), which
/// must not return. @return as call(), in the parent.
REPARTIR_RAW_INLINE long clone_call(long number, long a, long b, long c,
                                    void (*entry)(void*) noexcept, void* argument) noexcept {
    register void (*function)(void*) noexcept __asm__("r12") = entry;
    register void* parameter __asm__("r13") = argument;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    long result = number;
    __asm__ volatile(
        "syscall\n\t"
        "testq %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xorl %%ebp, %%ebp\n\t"
        "movq %[parameter], %%rdi\n\t"
        "callq *%[function]\n\t"
        "ud2\n"
        "1:"
        : "+a"(result)
        : "D"(a), "S"(b), "d"(c), "r"(r10),
          "r"(r8), [function] "r"(function), [parameter] "r"(parameter)
        : "rcx", "r11", "memory", "cc");
    return result;
}
// NOLINTEND(misc-const-correctness)

#elif defined(__aarch64__)

REPARTIR_RAW_INLINE long call(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                              long e = 0) noexcept {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory", "cc");
    return x0;
}

REPARTIR_RAW_INLINE long clone_call(long number, long a, long b, long c,
                                    void (*entry)(void*) noexcept, void* argument) noexcept {
    register void (*function)(void*) noexcept __asm__("x10") = entry;
    register void* parameter __asm__("x11") = argument;
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile(
        "svc 0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, #0\n\t"
        "mov x0, x11\n\t"
        "blr x10\n\t"
        "brk #1\n"
        "1:"
        : "+r"(x0)
        : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(function), "r"(parameter)
        : "memory", "cc");
    return x0;
}

#else
#error \
    "Repartir starts programs on x86-64 and aarch64; add raw::call and raw::clone_call for this one"
#endif

/// @return a pointer as an argument of call().
template <class T>
REPARTIR_RAW_INLINE long address(T* pointer) noexcept {
    // SAFETY: the kernel takes addresses as integers of a register's width.
    return reinterpret_cast<long>(pointer);
}

/// Sets which signals the calling thread blocks, as bits. @return those that it blocked before.
REPARTIR_RAW_INLINE std::uint64_t set_blocked(std::uint64_t signals) noexcept {
    std::uint64_t before = 0;
    call(SYS_rt_sigprocmask, SIG_SETMASK, address(&signals), address(&before), sizeof(signals));
    return before;
}

/// Ends the calling process at once.
[[noreturn]] REPARTIR_RAW_INLINE void exit(int code) noexcept {
    for (;;) {
        call(SYS_exit_group, code);
    }
}

}  // namespace repartir::proc::raw
