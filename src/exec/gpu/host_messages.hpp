// SPDX-License-Identifier: MIT
#pragma once
/// @file host_messages.hpp What a pool and the process that hosts a GPU say to each other, over a
/// Unix socket that keeps messages apart. Both are the same program: there are no versions.
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/fd.hpp"
#include "exec/gpu/host.hpp"

namespace repartir::gpu {

/// Buffers of up to so many bytes travel inside messages, larger ones as memory that both map.
inline constexpr std::size_t inline_bytes_max = std::size_t{16} << 10U;
/// What the buffers of one dispatch may have inside a message in all; further ones are shared.
inline constexpr std::size_t inline_bytes_in_all = std::size_t{64} << 10U;
/// How long a message can be.
inline constexpr std::size_t host_message_bytes_max = std::size_t{128} << 10U;

/// An Error, as it travels.
struct ErrorMessage {
    Code code = Code::internal;
    Fault fault = Fault::node;
    std::string sentence;
    static constexpr auto codec_fields =
        std::tuple(&ErrorMessage::code, &ErrorMessage::fault, &ErrorMessage::sentence);
};
[[nodiscard]] ErrorMessage message_of(const Error& error);
[[nodiscard]] Error error_of(const ErrorMessage& message);

/// The first word to the host: which device, and how.
struct OpenMessage {
    std::string device;
    bool allow_cpu = false;
    std::chrono::milliseconds dispatch_time_max{0};
    std::string cache_folder{};
    static constexpr auto codec_fields =
        std::tuple(&OpenMessage::device, &OpenMessage::allow_cpu, &OpenMessage::dispatch_time_max,
                   &OpenMessage::cache_folder);
};

/// The first word of the host: the device that it has, or why it has none.
struct ReadyMessage {
    std::optional<ErrorMessage> refusal;
    DeviceInfo info;
    std::uint32_t features = 0;  ///< Features::bits()
    static constexpr auto codec_fields =
        std::tuple(&ReadyMessage::refusal, &ReadyMessage::info, &ReadyMessage::features);
};

/// To the host: a shader, whose SPIR-V is the memory that comes along. Or it is not used any more.
struct KernelMessage {
    std::uint64_t id = 0;
    std::string entry;
    std::uint64_t words = 0;
    bool gone = false;
    static constexpr auto codec_fields = std::tuple(&KernelMessage::id, &KernelMessage::entry,
                                                    &KernelMessage::words, &KernelMessage::gone);
};

/// To the host: memory, which comes along. Or, the other way round, it is gone.
struct BufferMessage {
    std::uint64_t id = 0;
    bool gone = false;
    static constexpr auto codec_fields = std::tuple(&BufferMessage::id, &BufferMessage::gone);
};

/// One buffer of a dispatch.
struct OperandMessage {
    BufferUse use = BufferUse::in;
    std::uint64_t bytes = 0;
    std::uint64_t buffer = 0;  ///< the BufferMessage's; 0: its bytes stand in the messages
    std::string inline_bytes;  ///< in, in_out
    static constexpr auto codec_fields =
        std::tuple(&OperandMessage::use, &OperandMessage::bytes, &OperandMessage::buffer,
                   &OperandMessage::inline_bytes);
};

/// To the host: a dispatch.
struct WorkMessage {
    std::uint64_t id = 0;
    Priority priority = Priority::normal;
    std::uint64_t kernel = 0;
    std::array<std::uint32_t, 3> workgroups{};
    std::string push;
    std::vector<OperandMessage> operands;
    static constexpr auto codec_fields =
        std::tuple(&WorkMessage::id, &WorkMessage::priority, &WorkMessage::kernel,
                   &WorkMessage::workgroups, &WorkMessage::push, &WorkMessage::operands);
};

/// To the host: a dispatch is not wanted any more, if it waits.
struct WithdrawMessage {
    std::uint64_t id = 0;
    static constexpr auto codec_fields = std::tuple(&WithdrawMessage::id);
};

/// From the host: how a dispatch ended.
struct EndedMessage {
    std::uint64_t id = 0;
    Ended::How how = Ended::How::done;
    bool withdrawn = false;
    std::optional<ErrorMessage> error;
    std::vector<std::string> buffers;  ///< of those that come out inline, in their order
    static constexpr auto codec_fields =
        std::tuple(&EndedMessage::id, &EndedMessage::how, &EndedMessage::withdrawn,
                   &EndedMessage::error, &EndedMessage::buffers);
};

/// Which message follows; its first byte.
enum class HostVerb : std::uint8_t { open, ready, kernel, buffer, work, withdraw, ended };

/// A message with the descriptor that came along, if one did.
struct HostPacket {
    HostVerb verb = HostVerb::ready;
    std::string body;
    base::Fd fd;
};

/// Sends a message, unless the other end is slow. @param fd a descriptor to go along; -1: none
/// @return whether there was room. Errors: io_error: the other end is gone; too_large.
[[nodiscard]] Result<bool> send_packet(int socket, HostVerb verb, std::string_view body,
                                       int fd = -1);
/// Receives one, if one is there. @param buffer of host_message_bytes_max bytes, to be reused
/// @return nothing when none is there. Errors: io_error: the other end is gone; malformed.
[[nodiscard]] Result<std::optional<HostPacket>> receive_packet(int socket, std::string& buffer);

}  // namespace repartir::gpu
