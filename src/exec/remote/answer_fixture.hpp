// SPDX-License-Identifier: MIT
#pragma once
/// @file answer_fixture.hpp The end of a call, as a test waits for it.
#include <future>
#include <string>
#include <utility>

#include "repartir/remote_executor.hpp"

namespace repartir {

class Answer final : public CallSink {
  public:
    void returned(Result<std::string> value) noexcept override {
        promise_.set_value(std::move(value));
    }
    Result<std::string> get() { return promise_.get_future().get(); }

  private:
    std::promise<Result<std::string>> promise_;
};

}  // namespace repartir
