// SPDX-License-Identifier: MIT
#include "base/anonymous_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/os_error.hpp"

namespace repartir::base {

Result<Fd> anonymous_file(const std::string& folder) {
    constexpr ::mode_t owner_only = 0600;
    // O_EXCL: nobody can give it a name later.
    Fd fd(::open(folder.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, owner_only));
    if (fd) {
        return fd;
    }
    std::string name = folder + "/repartir-XXXXXX";
    fd = Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) {
        return fail(os_error(Domain::io, "cannot make a temporary file in " + folder, errno));
    }
    ::unlink(name.c_str());
    return fd;
}

std::string temporary_folder() {
    const char* const folder = std::getenv("TMPDIR");
    return folder == nullptr || *folder == '\0' ? "/tmp" : folder;
}

std::string path_of_descriptor(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace repartir::base
