// SPDX-License-Identifier: MIT
#include "base/os_error.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace repartir::base {

Code code_of(int os_error) noexcept {
    switch (os_error) {
        case ENOENT:
        case ENOTDIR:
            return Code::not_found;
        case EACCES:
        case EPERM:
        case EROFS:
            return Code::permission_denied;
        case ENOEXEC:
        case EISDIR:
        case ELOOP:
        case ETXTBSY:
            return Code::not_executable;
        case E2BIG:
        case EFBIG:
        case ENAMETOOLONG:
            return Code::too_large;
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOSPC:
        case EDQUOT:
            return Code::out_of_resources;
        case ENOSYS:
        case EOPNOTSUPP:
            return Code::unsupported;
        case EINVAL:
        case EBADF:
            return Code::invalid_argument;
        default:
            return Code::io_error;
    }
}

Fault fault_of(int os_error) noexcept {
    const bool transient = code_of(os_error) == Code::out_of_resources || os_error == ETXTBSY ||
                           os_error == EIO || os_error == EINTR;
    return transient ? Fault::system : Fault::user;
}

std::string_view words_of(int os_error) noexcept {
    const char* words = ::strerrordesc_np(os_error);
    return words != nullptr ? words : "unknown error";
}

Error os_error(Domain domain, std::string_view what, int os_error) {
    std::string sentence(what);
    sentence += ": ";
    sentence += words_of(os_error);
    sentence += os_error == EMFILE ? "; raise the limit (ulimit -n)" : "";
    return Error(domain, code_of(os_error), fault_of(os_error), std::move(sentence));
}

}  // namespace repartir::base
