// SPDX-License-Identifier: MIT
#pragma once
/// @file answer_fixture.hpp The end of a call, as a test waits for it.
#include <gtest/gtest.h>

#include <cstdint>
#include <future>
#include <string>
#include <string_view>
#include <utility>

#include "repartir/remote_executor.hpp"

namespace repartir {

class Answer final : public CallSink {
  public:
    Result<void> take(std::uint64_t offset, std::uint64_t /*total*/,
                      std::string_view bytes) noexcept override {
        EXPECT_TRUE(offset == 0 || offset == value_.size());
        value_.resize(offset);
        value_ += bytes;
        return {};
    }
    void returned(Result<void> how) noexcept override {
        promise_.set_value(how ? Result<std::string>(value_) : fail(std::move(how).error()));
    }
    Result<std::string> get() { return promise_.get_future().get(); }

  private:
    std::string value_;
    std::promise<Result<std::string>> promise_;
};

}  // namespace repartir
