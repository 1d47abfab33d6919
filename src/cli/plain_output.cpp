// SPDX-License-Identifier: MIT
#include "cli/plain_output.hpp"

#include <unistd.h>

#include <cerrno>

#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// @return 0, or the errno value that ended it.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno != EINTR) {
            return errno;
        }
        text.remove_prefix(put > 0 ? static_cast<std::size_t>(put) : 0);
    }
    return 0;
}

}  // namespace

bool print(std::string_view text) {
    const int error = write_all(STDOUT_FILENO, text);
    if (error != 0 && error != EPIPE) {
        complain(cat({"standard output cannot be written: ", base::words_of(error)}));
    }
    return error == 0;
}

void complain(std::string_view sentence) {
    write_all(STDERR_FILENO, cat({"repartir: ", sentence, "\n"}));
}

}  // namespace repartir::cli
