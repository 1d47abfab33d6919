// SPDX-License-Identifier: MIT
#pragma once
/// @file dispatch.hpp What a shader task runs, and with which buffers.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "repartir/error.hpp"
#include "repartir/result.hpp"
#include "repartir/shader.hpp"
#include "repartir/shared_buffer.hpp"

namespace repartir::gpu {

class Kernel;

/// What a buffer of a shader task holds, or held: bytes that nobody changes, or those of a
/// SharedBuffer. A value; copies share the bytes. Any thread.
class Bytes {
  public:
    Bytes() = default;  ///< none
    Bytes(std::unique_ptr<std::byte[]> bytes, std::size_t size);
    explicit Bytes(SharedBuffer buffer);
    /// A copy of these.
    [[nodiscard]] static Bytes copy_of(std::span<const std::byte> bytes);

    [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
    [[nodiscard]] std::span<const std::byte> view() const noexcept { return view_; }
    /// @return the same as numbers, or other values without pointers; what is left over at the end
    /// is not there.
    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] std::span<const T> as() const noexcept {
        static_assert(alignof(T) <= alignof(std::max_align_t));
        // SAFETY: such values may be made of bytes, and the bytes are aligned for any.
        return {reinterpret_cast<const T*>(view_.data()), view_.size() / sizeof(T)};
    }
    /// @return the SharedBuffer; nullptr when it is none.
    [[nodiscard]] const SharedBuffer* shared() const noexcept;

  private:
    struct Body;
    std::shared_ptr<const Body> body_;  // shared by the copies
    std::span<const std::byte> view_;
};

/// Which way a buffer of a shader task goes.
enum class BufferUse : std::uint8_t {
    in,      ///< to the device
    out,     ///< from the device; zeros before
    in_out,  ///< both
};

/// One buffer of a shader task.
struct BufferArgument {
    BufferUse use = BufferUse::in;
    std::uint64_t bytes = 0;
    Bytes from;                          ///< in, in_out
    std::optional<SharedBuffer> into{};  ///< out, in_out: where it goes; else into new memory
};

/// A value for a constant of a shader: of WGSL an `override`, else one with a constant_id (SpecId).
struct NamedConstant {
    std::string name;  ///< the shader's name for it, or the digits of its id
    double value = 0;  ///< of a boolean, 0 or something else
    bool operator==(const NamedConstant&) const = default;
};

/// One dispatch of a compute shader.
struct Dispatch {
    Shader shader;
    std::string entry;  ///< the entry point; empty: the only one
    std::array<std::uint32_t, 3> workgroups{1, 1, 1};
    std::vector<BufferArgument> buffers;  ///< for the shader's bindings, by set and binding
    std::vector<std::byte> push;          ///< push constants
    std::vector<NamedConstant> constants;
    std::shared_ptr<const Kernel> kernel{};  ///< of a kernel in C++, which also CPUs can run
    bool cpu_fallback = false;               ///< where there is no GPU that can run it
    std::optional<Error> error{};            ///< what is wrong with it from the start
};

namespace detail {

/// What can be copied byte by byte, and points to nothing elsewhere.
template <class T>
concept Value =
    std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !std::ranges::borrowed_range<T>;

template <class R>
concept Values = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                 std::is_trivially_copyable_v<std::ranges::range_value_t<R>>;

/// Appends a value as the next member of a C++ struct.
void append_aligned(std::vector<std::byte>& bytes, std::span<const std::byte> value,
                    std::size_t alignment);

template <Values R>
std::span<const std::byte> bytes_of(const R& values) noexcept {
    return std::as_bytes(std::span(std::ranges::data(values), std::ranges::size(values)));
}

}  // namespace detail
}  // namespace repartir::gpu
