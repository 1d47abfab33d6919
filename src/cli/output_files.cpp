// SPDX-License-Identifier: MIT
#include "cli/output_files.hpp"

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// Writes a captured stream to a file, which is made or replaced.
Result<void> write_file(const Captured& stream, const std::string& path) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    std::string piece(std::size_t{256} << 10U, '\0');
    for (std::uint64_t at = 0; at < stream.size();) {
        const Result<std::size_t> got = stream.read_at(at, piece);
        if (!got) {
            return fail(got.error());
        }
        file.write(piece.data(), static_cast<std::streamsize>(*got));
        at += *got;
    }
    file.close();
    if (!file) {
        return fail(
            Error(Domain::io, Code::io_error, Fault::user,
                  cat({"--output-dir: the file ", printable(path),
                       " cannot be written; look at its folder and the room on its disk"})));
    }
    return {};
}

}  // namespace

Result<void> keep_output(const RunConfig& config, Done& done) {
    if (config.remote.empty() || done.out_path.empty() || !done.result) {
        return {};
    }
    for (auto [stream, path] : {std::pair(&done.result->out, &done.out_path),
                                std::pair(&done.result->err, &done.err_path)}) {
        if (Result<void> written = write_file(*stream, *path); !written) {
            return written;
        }
        *stream = Captured(std::string(), stream->lost());
    }
    return {};
}

}  // namespace repartir::cli
