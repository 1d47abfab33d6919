// SPDX-License-Identifier: MIT
#pragma once
/// @file kernel.hpp Compute kernels written in C++. docs/kernels.md teaches the language.
///
///     gpu::Kernel twice = gpu::kernel("twice", [](gpu::In<float> in, gpu::Out<float> out) {
///         gpu::UInt i = gpu::global_id().x;
///         gpu::If(i < in.length(), [&] { out[i] = in[i] * 2.0f; });
///     });
///
/// kernel() calls the lambda once. Its operators compute nothing: they record. What was recorded is
/// emitted as SPIR-V for Vulkan 1.2, and run_on_cpu() computes the same without a GPU.
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <ranges>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "repartir/dispatch.hpp"
#include "repartir/gpu/flow.hpp"        // IWYU pragma: export
#include "repartir/gpu/invocation.hpp"  // IWYU pragma: export
#include "repartir/gpu/math.hpp"        // IWYU pragma: export
#include "repartir/gpu/memory.hpp"      // IWYU pragma: export
#include "repartir/gpu/value.hpp"       // IWYU pragma: export
#include "repartir/result.hpp"
#include "repartir/shader.hpp"

namespace repartir::gpu {

namespace dsl {
class Recorder;
}  // namespace dsl

/// How a kernel is to be made.
struct KernelOptions {
    /// Invocations of a workgroup: x, y, z; at most 1024 in all.
    std::array<std::uint32_t, 3> workgroup{64, 1, 1};
};

/// A buffer that a kernel takes. Its binding is its position among them, in descriptor set 0.
struct KernelBuffer {
    BufferAccess access = BufferAccess::in;
    std::uint32_t element_bytes = 0;
    bool operator==(const KernelBuffer&) const = default;
};

/// A number that is set when the kernel is prepared. Its id in SPIR-V is its position among them.
struct KernelConstant {
    std::string name;
    ValueType type = ValueType::u32;
    std::uint64_t otherwise = 0;  ///< the bits of its value where none is given
    bool operator==(const KernelConstant&) const = default;
};

/// What a kernel asks of a device beyond Vulkan 1.2's least.
struct DeviceNeeds {
    bool int64 = false;
    bool float64 = false;
    bool buffer_atomics_int64 = false;
    bool shared_atomics_int64 = false;
    bool subgroups = false;  ///< arithmetic, shuffle, vote and ballot in compute kernels
    bool operator==(const DeviceNeeds&) const = default;
};

/// What a kernel takes, as far as its host has to know.
struct KernelInterface {
    std::array<std::uint32_t, 3> workgroup{};
    std::vector<KernelBuffer> buffers;
    /// Parameters by value lie as the members of a C++ struct would, in their order.
    std::uint32_t push_constant_bytes = 0;
    std::vector<KernelConstant> constants;
    std::uint32_t shared_bytes = 0;  ///< of workgroup memory
    DeviceNeeds needs;
    bool operator==(const KernelInterface&) const = default;
};

/// A recorded kernel: a value whose copies share one immutable body. Any thread may read it.
///
/// One whose recording went wrong carries the Error; it has no code, and whatever it is given to
/// gives that Error back.
class Kernel {
  public:
    Kernel();  ///< none: carries an Error that says so

    /// @return why there is no code; nullptr where there is.
    [[nodiscard]] const Error* error() const noexcept;
    [[nodiscard]] const std::string& name() const noexcept;
    /// @return the module's words; its entry is "main". Empty with an error.
    [[nodiscard]] std::span<const std::uint32_t> spirv() const noexcept;
    [[nodiscard]] const KernelInterface& interface() const noexcept;
    /// @return the same as a shader that has the kernel's name, with which Task::shader takes it.
    [[nodiscard]] const Shader& shader() const noexcept;
    /// @return a number that is the same for the same code, in every process and on every machine,
    /// whatever its name; not proof against forgery. 0 with an error.
    [[nodiscard]] std::uint64_t hash() const noexcept;

    struct Body;
    explicit Kernel(std::shared_ptr<const Body> body) noexcept : body_(std::move(body)) {}
    [[nodiscard]] const Body& body() const noexcept { return *body_; }

  private:
    std::shared_ptr<const Body> body_;  // shared by copies; immutable
};

/// A buffer of the host's, for run_on_cpu(): any contiguous range of numbers or structs. It views
/// them; they must outlive the run.
class HostBuffer {
  public:
    template <std::ranges::contiguous_range R>
        requires(std::is_trivially_copyable_v<std::ranges::range_value_t<R>> &&
                 !std::same_as<std::remove_cvref_t<R>, HostBuffer>)
    HostBuffer(R&& range) {
        const std::span view(std::ranges::data(range), std::ranges::size(range));
        data_ = std::as_bytes(view).data();
        bytes_ = view.size_bytes();
        using Element = std::remove_reference_t<std::ranges::range_reference_t<R>>;
        if constexpr (!std::is_const_v<Element>) {
            to_ = std::as_writable_bytes(view).data();
            writable_ = true;
        }
    }
    [[nodiscard]] const std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// @return whether the range is not const.
    [[nodiscard]] bool writable() const noexcept { return writable_; }
    /// @return the same as data(), for one that is writable.
    [[nodiscard]] std::byte* to() const noexcept { return to_; }

  private:
    const std::byte* data_ = nullptr;
    std::byte* to_ = nullptr;
    std::size_t bytes_ = 0;
    bool writable_ = false;
};

/// A constant of a kernel and the value that it is given.
struct ConstantSetting {
    std::string name;
    ValueType type = ValueType::u32;
    std::uint64_t bits = 0;

    ConstantSetting() = default;
    template <NumberOf T>
    ConstantSetting(std::string_view name_, T value) : name(name_), type(detail::scalar_type<T>()) {
        if constexpr (sizeof(T) == 4) {
            bits = std::bit_cast<std::uint32_t>(value);
        } else {
            bits = std::bit_cast<std::uint64_t>(value);
        }
    }
};

// g++ warns of designated initializers that leave out a member without one of its own.
// NOLINTBEGIN(readability-redundant-member-init)
/// What run_on_cpu() runs a kernel on.
struct CpuRun {
    std::array<std::uint32_t, 3> workgroups{1, 1, 1};
    std::vector<HostBuffer> buffers{};  ///< by binding; none may be written by others meanwhile
    std::vector<std::byte> push_constants{};
    std::vector<ConstantSetting> constants{};
    /// Which of the workgroups, counted x first: by ranges of them, several threads share a run.
    std::uint64_t first = 0;
    std::uint64_t count = ~std::uint64_t{0};
    std::uint32_t subgroup_size = 32;  ///< a power of two, at most 128
    std::stop_token stop{};            ///< ends it, also out of an endless loop
    std::uint64_t rounds_max = 0;      ///< of loops, in each workgroup; 0: as many as it takes
};
// NOLINTEND(readability-redundant-member-init)

/// Runs a kernel in the calling thread, workgroup after workgroup, each in step: what it computes
/// is what a device computes, whole numbers bit by bit, floats as exactly as Vulkan asks. Several
/// threads may run ranges of the same workgroups: atomic operations are atomic between them.
/// Errors (Domain::gpu): the kernel's own; invalid_task: buffers, constants or sizes do not fit it,
/// or a barrier is not reached by all invocations of a workgroup; cancelled: it was stopped;
/// timed_out: rounds_max; too_large: its values take more than 1 GiB for a workgroup. Buffers are
/// then as far as it came.
[[nodiscard]] Result<void> run_on_cpu(const Kernel& kernel, const CpuRun& run);

/// @return the bytes of parameters by value: what a C++ struct of these members holds.
template <class... T>
[[nodiscard]] std::vector<std::byte> push_constants(const T&... values) {
    static_assert((... && (detail::Layout<T>::count > 0)));
    std::vector<std::byte> bytes;
    (detail::append_aligned(bytes, std::as_bytes(std::span(&values, 1)), alignof(T)), ...);
    return bytes;
}

namespace detail {

/// One kernel's recording, in this thread. At most one at a time.
class Recording {
  public:
    Recording(std::string_view name, const KernelOptions& options);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    /// @return whether this is not inside of another kernel's recording.
    [[nodiscard]] bool begun() const noexcept { return recorder_ != nullptr; }
    void threw(std::string_view what);
    [[nodiscard]] Kernel finish();

  private:
    std::string name_;
    std::unique_ptr<dsl::Recorder> recorder_;
};

template <class F>
struct Signature;
template <class C, class... P>
struct Signature<void (C::*)(P...) const> {
    using Parameters = std::tuple<std::remove_cvref_t<P>...>;
};
template <class C, class... P>
struct Signature<void (C::*)(P...)> {
    using Parameters = std::tuple<std::remove_cvref_t<P>...>;
};
template <class C, class... P>
struct Signature<void (C::*)(P...) const noexcept> {
    using Parameters = std::tuple<std::remove_cvref_t<P>...>;
};

template <class P>
concept BufferLike = requires {
    typename P::Element;
    P::access;
};

/// @return what stands for a parameter of the lambda's.
template <class P>
[[nodiscard]] P parameter() {
    if constexpr (BufferLike<P>) {
        static_assert(!has_bool<typename P::Element>,
                      "a bool has no layout in a buffer: use std::uint32_t");
        return P(new_object(Space::buffer, P::access, Layout<typename P::Element>::leaves, 0));
    } else if constexpr (Traced<P>) {
        using T = typename P::Host;
        static_assert(!has_bool<T>, "a bool cannot be a parameter: use gpu::UInt");
        Nodes<T> nodes;
        std::uint32_t alignment = alignof(T);
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            nodes[i] = push_constant(Layout<T>::leaves[i], alignment);
            alignment = 1;
        }
        return from_nodes<T>(nodes.data());
    } else {
        static_assert(sizeof(P) == 0,
                      "a kernel takes gpu::In<T>, gpu::Out<T> and gpu::InOut<T> for buffers, and "
                      "values such as gpu::Float or gpu::UInt; this parameter is none of them");
    }
}

template <class F, class... P>
void call_with_parameters(F& body, std::type_identity<std::tuple<P...>> /*types*/) {
    // braces: the parameters are made from left to right, which is the order of bindings
    std::apply(body, std::tuple<P...>{parameter<P>()...});
}

}  // namespace detail

/// Records a kernel: calls `body` once, in this thread, with what stands for its parameters. Those
/// are buffers, gpu::In<T>, gpu::Out<T>, gpu::InOut<T>, and values, such as gpu::Float. One kernel
/// is not recorded inside of another. Plain C++ in the body runs while it is recorded: a `for` of
/// C++ unrolls, a function of C++ is inlined, `if` on what the program knows leaves code out.
/// @param name for people
template <class F>
[[nodiscard]] Kernel kernel(std::string_view name, const KernelOptions& options, F&& body) {
    using Function = std::remove_cvref_t<F>;
    static_assert(
        requires { &Function::operator(); },
        "gpu::kernel takes a lambda whose parameters have types, not `auto`");
    static_assert(
        requires { typename detail::Signature<decltype(&Function::operator())>::Parameters; },
        "gpu::kernel takes a lambda that gives nothing back: results go into gpu::Out");
    using Parameters = typename detail::Signature<decltype(&Function::operator())>::Parameters;
    detail::Recording recording(name, options);
    if (recording.begun()) {
        try {
            detail::call_with_parameters(body, std::type_identity<Parameters>{});
        } catch (const std::exception& thrown) { recording.threw(thrown.what()); } catch (...) {
            recording.threw("something that is no std::exception");
        }
    }
    return recording.finish();
}
/// As above, with workgroups of 64 invocations.
template <class F>
[[nodiscard]] Kernel kernel(std::string_view name, F&& body) {
    return kernel(name, KernelOptions{}, std::forward<F>(body));
}

}  // namespace repartir::gpu
