// SPDX-License-Identifier: MIT
#pragma once
/// @file kept_pipelines.hpp What a driver has compiled, in a file for the next process.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "repartir/gpu.hpp"

namespace repartir::gpu {

/// @return the folder for what can be made again: `repartir` in $XDG_CACHE_HOME, else in ~/.cache;
/// empty where neither is known.
[[nodiscard]] std::string default_cache_folder();

/// The file of one device. A file that is damaged, that others than its owner may write to, or that
/// another user owns, counts as none: drivers trust what they get. Nothing of this is an error; one
/// thread.
class KeptPipelines {
  public:
    KeptPipelines() = default;  ///< none, and none is written
    /// @param folder made when it is needed; empty: none
    KeptPipelines(const std::string& folder, const DeviceInfo& device);

    /// @return what was saved last; nothing where there is none.
    [[nodiscard]] std::vector<std::byte> load();
    /// Replaces the file at once, unless it has the same already, or another process does.
    void save(std::span<const std::byte> pipelines);

  private:
    std::string folder_;
    std::string path_;
    std::uint32_t sum_ = 0;  ///< of what is in the file, as far as is known
};

}  // namespace repartir::gpu
