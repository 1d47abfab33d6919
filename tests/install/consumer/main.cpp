// SPDX-License-Identifier: MIT
#include <iostream>
#include <repartir/repartir.hpp>

int main() {
    auto pool = repartir::Pool::builder().cpu_workers(2).build();
    auto greeting = pool->submit(repartir::Task::binary("/bin/echo", "hello"));
    auto answer = pool->submit([] { return 6 * 7; });
    std::cout << std::move(greeting).get()->out.bytes() << *std::move(answer).get() << '\n';
}
