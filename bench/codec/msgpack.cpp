// SPDX-License-Identifier: MIT
// The task as a MessagePack array, its environment as a map. The buffer and the zone are reused;
// strings stay where they lie.
#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

#include "bench/codec/problem.hpp"

namespace {

using bench::codec::Digest;
using bench::codec::TaskValues;

constexpr std::uint32_t fields = 14;

class Format {
  public:
    std::string_view encode(std::size_t message) {
        const TaskValues& task = tasks_[message];
        buffer_.clear();
        msgpack::packer<msgpack::sbuffer> packer(buffer_);
        packer.pack_array(fields);
        for (const std::uint32_t word : task.job) {
            packer.pack_uint32(word);
        }
        packer.pack_uint32(task.element).pack_uint32(task.number);
        packer.pack_uint64(task.issuer).pack_uint64(task.epoch);
        packer.pack_uint8(task.kind);
        put(packer, task.path);
        packer.pack_array(static_cast<std::uint32_t>(task.args.size()));
        for (const std::string& arg : task.args) {
            put(packer, arg);
        }
        packer.pack_map(static_cast<std::uint32_t>(task.env.size()));
        for (const auto& [name, value] : task.env) {
            put(packer, name);
            put(packer, value);
        }
        packer.pack_uint32(task.cores).pack_uint64(task.memory_bytes);
        packer.pack_uint64(task.timeout_ms);
        return {buffer_.data(), buffer_.size()};
    }

    std::optional<Digest> decode(std::string_view bytes) {
        try {
            zone_.clear();
            std::size_t at = 0;
            const msgpack::object whole = msgpack::unpack(
                zone_, bytes.data(), bytes.size(), at,
                [](msgpack::type::object_type, std::size_t, void*) { return true; });
            if (at != bytes.size() || whole.type != msgpack::type::ARRAY ||
                whole.via.array.size != fields) {
                return std::nullopt;
            }
            return digest_of(whole.via.array.ptr);
        } catch (const std::exception&) { return std::nullopt; }
    }

  private:
    static void put(msgpack::packer<msgpack::sbuffer>& packer, const std::string& text) {
        const auto size = static_cast<std::uint32_t>(text.size());
        packer.pack_str(size).pack_str_body(text.data(), size);
    }

    /// Throws where a field is of another type.
    static Digest digest_of(const msgpack::object* field) {
        Digest digest;
        for (std::size_t i = 0; i < 8; ++i) {  // the id and the kind
            digest.number(field[i].as<std::uint64_t>());
        }
        digest.text(field[8].as<std::string_view>());
        if (field[9].type != msgpack::type::ARRAY || field[10].type != msgpack::type::MAP) {
            throw msgpack::type_error();
        }
        for (const msgpack::object& arg : field[9].via.array) {
            digest.text(arg.as<std::string_view>());
        }
        for (const msgpack::object_kv& variable : field[10].via.map) {
            digest.text(variable.key.as<std::string_view>());
            digest.text(variable.val.as<std::string_view>());
        }
        for (std::size_t i = 11; i < fields; ++i) {
            digest.number(field[i].as<std::uint64_t>());
        }
        return digest;
    }

    std::vector<TaskValues> tasks_ = bench::codec::messages();
    msgpack::sbuffer buffer_;
    msgpack::zone zone_;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Format format;
    return bench::codec::measure("msgpack", options, options.mode == "encode", format);
}
