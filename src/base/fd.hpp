// SPDX-License-Identifier: MIT
#pragma once
/// @file fd.hpp A file descriptor with one owner.
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace repartir::base {

/// Owns one file descriptor and closes it; move-only; -1 when empty. One thread at a time.
class Fd {
  public:
    Fd() = default;
    /// Takes over `number`; a negative number makes an empty Fd.
    explicit Fd(int number) noexcept : number_(number) {}
    Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            number_ = std::exchange(other.number_, -1);
        }
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return number_; }  ///< -1 when empty
    [[nodiscard]] explicit operator bool() const noexcept { return number_ >= 0; }  ///< owns one
    /// Gives the descriptor up without closing it. @return it, or -1.
    [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }
    /// Closes it now. Keeps errno. Linux closes even when close() reports EINTR: never repeated.
    void reset() noexcept {
        if (number_ >= 0) {
            const int kept = errno;
            ::close(std::exchange(number_, -1));
            errno = kept;
        }
    }

  private:
    int number_ = -1;
};

}  // namespace repartir::base
