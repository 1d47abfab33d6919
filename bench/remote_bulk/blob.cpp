// SPDX-License-Identifier: MIT
// The program whose standard output is the 64 MiB.
#include <unistd.h>

#include <cstddef>
#include <string_view>

#include "bench/remote_bulk/problem.hpp"

int main() {
    const bench::remote_bulk::Block block = bench::remote_bulk::make_block();
    for (std::size_t sent = 0; sent < bench::remote_bulk::result_bytes; sent += block.size()) {
        for (std::string_view rest(block.data(), block.size()); !rest.empty();) {
            const ssize_t put = ::write(STDOUT_FILENO, rest.data(), rest.size());
            if (put <= 0) {
                return 1;
            }
            rest.remove_prefix(static_cast<std::size_t>(put));
        }
    }
    return 0;
}
