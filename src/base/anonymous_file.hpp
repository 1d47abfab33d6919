// SPDX-License-Identifier: MIT
#pragma once
/// @file anonymous_file.hpp Temporary files that nothing can leave behind.
#include <string>

#include "base/fd.hpp"
#include "repartir/result.hpp"

namespace repartir::base {

/// Makes an empty file without a name on the file system of `folder`: open for reading and writing,
/// close-on-exec, its owner's only. It is gone when its last descriptor is closed, also after a
/// kill -9. Where the file system cannot make one without a name (O_TMPFILE), the file has one for
/// the moment between two system calls. Any thread.
/// Errors: not_found, permission_denied, out_of_resources (no descriptor, no room), io_error; the
/// sentence names the folder.
[[nodiscard]] Result<Fd> anonymous_file(const std::string& folder);

/// @return where temporary files go unless somebody says otherwise: $TMPDIR, or /tmp. Not while
/// another thread changes the environment.
[[nodiscard]] std::string temporary_folder();

/// @return a path under which this process can open what a descriptor of its own refers to.
[[nodiscard]] std::string path_of_descriptor(int fd);

}  // namespace repartir::base
