// SPDX-License-Identifier: MIT
// Writes 64 KiB to standard output and ignores its arguments: the child of the output problem.
// Linked to libc alone, so that it starts as quickly as /bin/true.
#include <unistd.h>

namespace {

constexpr unsigned long total_bytes = 65536;
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): no bytes in the file
constinit char zeros[total_bytes] = {};

}  // namespace

int main() {
    unsigned long written = 0;
    while (written < total_bytes) {
        const ssize_t count = write(1, zeros + written, total_bytes - written);
        if (count <= 0) {
            return 1;
        }
        written += static_cast<unsigned long>(count);
    }
    return 0;
}
