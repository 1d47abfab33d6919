// SPDX-License-Identifier: MIT
// The first step: one pool, one function, one program.
#include <cstdio>
#include <repartir/repartir.hpp>
#include <utility>

int main() {
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    auto answer = pool->submit([] { return 6 * 7; });
    auto greeting = pool->submit(repartir::Task::binary("echo", "hello from a program"));

    const repartir::Result<int> number = std::move(answer).get();
    const repartir::Result<repartir::Outcome> outcome = std::move(greeting).get();
    if (!number || !outcome || !outcome->ok()) {
        return 1;
    }
    std::printf("%d from a function\n%s", *number, outcome->out.bytes().c_str());
    return 0;
}
