// SPDX-License-Identifier: MIT
#include "cli/config_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"
#include "cli/toml_file.hpp"

namespace repartir::cli {
namespace {

constexpr std::string_view file_name = "/repartir/worker.toml";

/// @return the text of a file; nothing where there is none.
Result<std::optional<std::string>> read_file(const std::string& path) {
    const auto refused = [&path](int os_error) {
        return fail(Error(Domain::config,
                          os_error == ENOENT ? Code::not_found : Code::permission_denied,
                          Fault::user,
                          cat({"the configuration file ", printable(path),
                               " cannot be read: ", base::words_of(os_error)})));
    };
    const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) {
        return errno == ENOENT || errno == ENOTDIR
                   ? Result<std::optional<std::string>>(std::nullopt)
                   : refused(errno);
    }
    std::string text;
    std::array<char, 16'384> piece{};
    while (true) {
        const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
        if (got < 0 && errno != EINTR) {
            return refused(errno);
        }
        if (got == 0) {
            return text;
        }
        text.append(piece.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
        if (text.size() > config_file_bytes_max) {
            return fail(usage_error(cat({"the configuration file ", printable(path),
                                         " is longer than ", human_size(config_file_bytes_max)})));
        }
    }
}

/// @return the files to look for where none is named, the first that is there to be read.
std::vector<std::string> usual_places(const EnvLookup& env) {
    std::vector<std::string> places;
    const std::string own = env("XDG_CONFIG_HOME").value_or("");
    const std::string home = env("HOME").value_or("");
    if (own.starts_with('/')) {  // the XDG specification: others are to be ignored
        places.push_back(cat({own, file_name}));
    } else if (home.starts_with('/')) {
        places.push_back(cat({home, "/.config", file_name}));
    }
    places.push_back(cat({"/etc", file_name}));
    return places;
}

Result<void> add_setting(const OptionSpec& option, const FileSetting& setting,
                         std::string_view file, Parsed& parsed) {
    const Origin origin{Source::file, cat({file, ":", number(setting.line)})};
    if (setting.values.size() != 1 && !option.repeats) {
        return fail(
            usage_error(cat({origin.where, ": ", setting.key, " takes one value, not a list"})));
    }
    for (const std::string& value : setting.values) {
        if (!option.value.empty()) {
            parsed.add(option.id, value, origin);
            continue;
        }
        const Result<bool> on = parse_bool(cat({origin.where, ": ", setting.key}), value);
        if (!on) {
            return fail(on.error());
        }
        parsed.add(option.id, *on ? "1" : "0", origin);
    }
    return {};
}

Result<void> add_text(const CommandSpec& command, std::string_view file, std::string_view text,
                      Parsed& parsed) {
    std::vector<std::string_view> keys;
    for (const OptionSpec& option : command.options) {
        if (option.in_file) {
            keys.push_back(option.name);
        }
    }
    const Result<std::vector<FileSetting>> settings = read_toml(file, text, keys);
    if (!settings) {
        return fail(settings.error());
    }
    for (const FileSetting& setting : *settings) {
        const auto option = std::ranges::find(command.options, setting.key, &OptionSpec::name);
        if (Result<void> done = add_setting(*option, setting, file, parsed); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace

Result<std::string> add_config_file(const CommandSpec& command, const EnvLookup& env,
                                    Parsed& parsed) {
    const std::optional<std::string_view> named = parsed.last(Opt::config);
    for (const std::string& path : named ? std::vector{std::string(*named)} : usual_places(env)) {
        const Result<std::optional<std::string>> text = read_file(path);
        if (!text) {
            return fail(text.error());
        }
        if (*text) {
            if (Result<void> done = add_text(command, path, **text, parsed); !done) {
                return fail(done.error());
            }
            return path;
        }
    }
    if (named) {
        return fail(Error(Domain::config, Code::not_found, Fault::user,
                          cat({"there is no configuration file ", printable(*named)})));
    }
    return std::string();
}

}  // namespace repartir::cli
