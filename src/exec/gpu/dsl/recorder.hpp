// SPDX-License-Identifier: MIT
#pragma once
/// @file recorder.hpp What is being recorded in this thread.
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "exec/gpu/dsl/ir.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/kernel.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu::dsl {

using detail::Chain;
using detail::Node;
using detail::Place;

/// Collects the steps of one kernel. After the first mistake it takes no more of them. One owner.
class Recorder {
  public:
    /// @param tag what its nodes are known by; not 0
    Recorder(std::uint32_t tag, const KernelOptions& options);

    void complain(std::string_view sentence);
    [[nodiscard]] const std::optional<std::string>& mistake() const noexcept { return mistake_; }

    Node input(Input::Kind kind, ValueType type, std::uint32_t index, std::uint64_t bits = 0);
    Node constant(std::string_view name, ValueType type, std::uint64_t bits);
    Node push_constant(ValueType type, std::uint32_t alignment);
    Node length(Node object);
    /// Records a step of a plain kind. @param type what it gives, where that is named
    Node apply(Op op, std::initializer_list<Node> operands, ValueType named = ValueType::boolean);
    void ballot(Node condition, std::span<Node, 4> words);

    Node new_variable(std::span<const ValueType> leaves);
    void get(Node first, std::span<Node> values);
    void set(Node first, std::span<const Node> values);

    Node new_object(detail::Space space, BufferAccess access, std::span<const ValueType> leaves,
                    std::size_t count);
    Place inside(Place place, Node index, std::size_t count, std::size_t each);
    void load(const Place& place, std::span<const ValueType> leaves, std::span<Node> values);
    void store(const Place& place, std::span<const ValueType> leaves, std::span<const Node> values);
    Node atomic(Op op, const Place& place, ValueType type, Node a, Node b);

    void begin_if(Node condition);
    Chain end_if();
    void begin_else(const Chain& chain, bool directly);
    void end_else(Chain& chain);
    void begin_loop();
    Node begin_for(Node from, Node to, Node step);
    void end_loop();
    void act(Op op);

    /// @return the type of a node that can be used now; complains of one that cannot.
    std::optional<ValueType> type_of(Node node);
    [[nodiscard]] const std::array<std::uint32_t, 3>& workgroup() const {
        return module_.workgroup;
    }
    /// @return what was recorded, as long as there is no mistake.
    [[nodiscard]] Module finish();

  private:
    /// A value, a variable or an object: in which body it was made.
    struct Known {
        ValueType type = ValueType::boolean;
        std::uint32_t body = 0;
        std::uint32_t input = no_value;    ///< which input it is, if it is one
        std::uint32_t at_most = no_value;  ///< of a value: no larger as a uint, whatever happens
    };
    enum class Loop : bool { no, yes };

    bool usable(Node node, const std::vector<Known>& among, std::string_view what);
    const Object* object_at(const Place& place);
    Node add_value(ValueType type);
    /// @return the first value that the step gives.
    Node add(Op op, ValueType type, std::vector<std::uint32_t> args, std::uint32_t results);
    void open(Loop loop);
    void close();
    bool address(const Place& place, std::vector<std::uint32_t>& args);
    Node from_storage(Node unit, Node upper, ValueType leaf);
    void to_storage(Node value, ValueType leaf, ValueType storage,
                    std::vector<std::uint32_t>& args);

    std::uint32_t tag_;
    Module module_;  ///< values are numbered as they came, inputs among them
    std::vector<Known> values_;
    std::vector<Known> variables_;
    std::vector<Known> objects_;
    std::map<std::tuple<Input::Kind, ValueType, std::uint32_t, std::uint64_t>, Node> inputs_;
    struct Open {
        std::uint32_t body;
        Loop loop;
    };
    std::vector<Open> open_;     ///< bodies, the outermost first
    std::vector<bool> is_open_;  ///< of every body that there was
    std::optional<std::string> mistake_;
};

/// The recorder of this thread's kernel; nullptr when none is recorded. The one thread-local of
/// this room: operators have no other way to find it (docs/decisions/0016-kernels-in-cpp.md).
struct Current {
    Recorder* recorder = nullptr;
    std::uint32_t recorded = 0;  ///< kernels so far, for their tags
};
[[nodiscard]] Current& current() noexcept;

}  // namespace repartir::gpu::dsl
