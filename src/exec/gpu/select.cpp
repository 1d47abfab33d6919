// SPDX-License-Identifier: MIT
#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "repartir/gpu.hpp"

namespace repartir::gpu {
namespace {

/// @return the text in small letters: ASCII, as names of devices and UUIDs are.
std::string folded(std::string_view text) {
    std::string small(text);
    std::ranges::transform(small, small.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return small;
}

/// @return such as `0: NVIDIA H100 (d1c8...)`, each of the devices at these positions.
std::string listed(std::span<const DeviceInfo> devices, std::span<const std::size_t> positions) {
    std::string text;
    for (const std::size_t at : positions) {
        const DeviceInfo& one = devices[at];
        text += (text.empty() ? "" : ", ") + std::to_string(at) + ": " + one.name +
                (one.uuid.empty() ? "" : " (" + one.uuid + ")");
    }
    return text.empty() ? "none" : text;
}

std::string all_listed(std::span<const DeviceInfo> devices) {
    std::vector<std::size_t> positions(devices.size());
    for (std::size_t at = 0; at < positions.size(); ++at) {
        positions[at] = at;
    }
    return listed(devices, positions);
}

Error refusal(Code code, std::string sentence) {
    return Error(Domain::gpu, code, Fault::user, std::move(sentence));
}

/// @return the first usable one without known faults, of the CPU drivers or of all.
Result<std::size_t> first(std::span<const DeviceInfo> devices, bool cpu) {
    const auto found = std::ranges::find_if(devices, [&](const DeviceInfo& one) {
        return one.usable() && one.faults.empty() && (!cpu || one.type == DeviceType::cpu);
    });
    if (found == devices.end()) {
        return fail(
            refusal(Code::not_found,
                    std::string(cpu ? "no CPU driver" : "no GPU") +
                        " can be used that has no known faults; there is: " + all_listed(devices)));
    }
    return static_cast<std::size_t>(found - devices.begin());
}

/// @return whether the word is a position: "1" must not choose an H100 where there is no second
/// GPU, while "4090" may choose one of that name.
bool is_position(std::string_view word) {
    return word.size() <= 3 &&
           std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

/// @return the device at a position, where there is one.
std::vector<std::size_t> by_position(std::span<const DeviceInfo> devices, std::string_view word) {
    std::size_t position = 0;
    std::from_chars(word.data(), word.data() + word.size(), position);
    return position < devices.size() ? std::vector{position} : std::vector<std::size_t>();
}

/// @return the positions whose name is the word; else those with it in the name or in front of the
/// UUID.
std::vector<std::size_t> by_words(std::span<const DeviceInfo> devices, const std::string& word) {
    const std::string_view uuid =
        std::string_view(word).substr(word.starts_with("gpu-") ? 4 : 0);  // as NVIDIA's tools do
    std::vector<std::size_t> whole;
    std::vector<std::size_t> part;
    for (std::size_t at = 0; at < devices.size(); ++at) {
        const std::string name = folded(devices[at].name);
        if (name == word) {
            whole.push_back(at);
        }
        if (name.find(word) != std::string::npos ||
            (!uuid.empty() && folded(devices[at].uuid).starts_with(uuid))) {
            part.push_back(at);
        }
    }
    return whole.empty() ? part : whole;
}

}  // namespace

Result<std::size_t> select(std::span<const DeviceInfo> devices, std::string_view word) {
    const std::string small = folded(word);
    if (small.empty()) {
        return fail(refusal(Code::invalid_argument,
                            "a GPU is named by its position, UUID or name, or \"any\" or \"cpu\";"
                            " there is: " +
                                all_listed(devices)));
    }
    if (small == "any" || small == "cpu") {
        return first(devices, small == "cpu");
    }
    const std::vector<std::size_t> matches =
        is_position(small) ? by_position(devices, small) : by_words(devices, small);
    if (matches.empty()) {
        return fail(refusal(Code::not_found, "no GPU is called \"" + std::string(word) +
                                                 "\"; there is: " + all_listed(devices)));
    }
    if (matches.size() > 1) {
        return fail(refusal(Code::invalid_argument,
                            "\"" + std::string(word) + "\" is more than one GPU (" +
                                listed(devices, matches) + "); name it by position or UUID"));
    }
    const DeviceInfo& chosen = devices[matches.front()];
    if (!chosen.usable()) {
        return fail(refusal(Code::unsupported, chosen.name + " cannot be used: " + chosen.why_not));
    }
    return matches.front();
}

}  // namespace repartir::gpu
