// SPDX-License-Identifier: MIT
#include "base/os_error.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "base/fd.hpp"

namespace repartir::base {
namespace {

TEST(OsError, NamesTheActAndTheReason) {
    const Error error = os_error(Domain::io, "cannot open 'x'", ENOENT);
    EXPECT_EQ(error.sentence(), "cannot open 'x': No such file or directory");
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_FALSE(error.retryable());
}

TEST(OsError, ShortagesAreRetryable) {
    for (const int number : {EAGAIN, EMFILE, ENFILE, ENOMEM, ETXTBSY}) {
        EXPECT_TRUE(os_error(Domain::io, "x", number).retryable()) << words_of(number);
    }
}

TEST(OsError, EachReasonHasItsCode) {
    const std::pair<int, Code> table[] = {
        {ENOTDIR, Code::not_found},       {EACCES, Code::permission_denied},
        {EROFS, Code::permission_denied}, {ENOEXEC, Code::not_executable},
        {EISDIR, Code::not_executable},   {ELOOP, Code::not_executable},
        {E2BIG, Code::too_large},         {EFBIG, Code::too_large},
        {ENAMETOOLONG, Code::too_large},  {ENOSPC, Code::out_of_resources},
        {EDQUOT, Code::out_of_resources}, {ENOSYS, Code::unsupported},
        {EOPNOTSUPP, Code::unsupported},  {EINVAL, Code::invalid_argument},
        {EBADF, Code::invalid_argument},  {EIO, Code::io_error},
    };
    for (const auto& [number, code] : table) {
        EXPECT_EQ(os_error(Domain::io, "x", number).code(), code) << words_of(number);
    }
}

TEST(OsError, UnknownNumbersStillHaveWords) { EXPECT_EQ(words_of(99999), "unknown error"); }

TEST(Fd, ClosesOnceAndMoves) {
    int number = -1;
    {
        Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        number = first.get();
        ASSERT_GE(number, 0);
        Fd second(std::move(first));
        EXPECT_EQ(second.get(), number);
        EXPECT_GE(::fcntl(number, F_GETFD), 0);
    }
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST(Fd, ReleaseLeavesItOpen) {
    Fd owner(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = owner.release();
    EXPECT_FALSE(owner);
    EXPECT_GE(::fcntl(number, F_GETFD), 0);
    ::close(number);
}

TEST(Fd, KeepsErrnoWhenItCloses) {
    errno = ENOEXEC;
    Fd(1 << 28).reset();  // nobody's: close() says EBADF
    EXPECT_EQ(errno, ENOEXEC);
}

}  // namespace
}  // namespace repartir::base
