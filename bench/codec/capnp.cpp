// SPDX-License-Identifier: MIT
// The task as an unpacked Cap'n Proto message. Its first segment and the buffer for the flat array
// are reused; the reader checks each pointer as it follows it.
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <kj/io.h>

#include "bench/codec/problem.hpp"
#include "task.capnp.h"

namespace {

using bench::codec::Digest;
using bench::codec::TaskValues;
namespace capn = bench::codec::capn;

constexpr std::size_t room_words = 256;

kj::StringPtr text(const std::string& value) { return {value.c_str(), value.size()}; }
std::string_view view(capnp::Text::Reader value) { return {value.begin(), value.size()}; }

void fill(capn::Task::Builder to, const TaskValues& task) {
    to.setJob0(task.job[0]);
    to.setJob1(task.job[1]);
    to.setJob2(task.job[2]);
    to.setElement(task.element);
    to.setNumber(task.number);
    to.setIssuer(task.issuer);
    to.setEpoch(task.epoch);
    to.setKind(task.kind);
    to.setPath(text(task.path));
    auto args = to.initArgs(static_cast<unsigned>(task.args.size()));
    for (unsigned i = 0; i < args.size(); ++i) {
        args.set(i, text(task.args[i]));
    }
    auto env = to.initEnv(static_cast<unsigned>(task.env.size()));
    for (unsigned i = 0; i < env.size(); ++i) {
        auto variable = env[i];
        variable.setName(text(task.env[i].first));
        variable.setValue(text(task.env[i].second));
    }
    to.setCores(task.cores);
    to.setMemoryBytes(task.memory_bytes);
    to.setTimeoutMs(task.timeout_ms);
}

Digest digest_of(capn::Task::Reader task) {
    Digest digest;
    digest.number(task.getJob0());
    digest.number(task.getJob1());
    digest.number(task.getJob2());
    digest.number(task.getElement());
    digest.number(task.getNumber());
    digest.number(task.getIssuer());
    digest.number(task.getEpoch());
    digest.number(task.getKind());
    digest.text(view(task.getPath()));
    for (const capnp::Text::Reader arg : task.getArgs()) {
        digest.text(view(arg));
    }
    for (const capn::Variable::Reader variable : task.getEnv()) {
        digest.text(view(variable.getName()));
        digest.text(view(variable.getValue()));
    }
    digest.number(task.getCores());
    digest.number(task.getMemoryBytes());
    digest.number(task.getTimeoutMs());
    return digest;
}

class Format {
  public:
    std::string_view encode(std::size_t message) {
        // The builder clears the segment that it was lent when it goes.
        capnp::MallocMessageBuilder builder(kj::arrayPtr(segment_.data(), segment_.size()));
        fill(builder.initRoot<capn::Task>(), tasks_[message]);
        kj::ArrayOutputStream stream(out_.asBytes());
        capnp::writeMessage(stream, builder);
        const auto written = stream.getArray();
        // SAFETY: bytes may be looked at as characters.
        return {reinterpret_cast<const char*>(written.begin()), written.size()};
    }

    static std::optional<Digest> decode(std::string_view bytes) {
        try {
            // SAFETY: strings of this length begin where malloc aligned them, and hold words.
            const auto* begin = reinterpret_cast<const capnp::word*>(bytes.data());
            capnp::FlatArrayMessageReader reader(
                kj::arrayPtr(begin, bytes.size() / sizeof(capnp::word)));
            return digest_of(reader.getRoot<capn::Task>());
        } catch (const kj::Exception&) { return std::nullopt; }
    }

  private:
    std::vector<TaskValues> tasks_ = bench::codec::messages();
    std::array<capnp::word, room_words> segment_{};
    kj::Array<capnp::word> room_ = kj::heapArray<capnp::word>(room_words);
    kj::ArrayPtr<capnp::word> out_ = room_.asPtr();
};

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Format format;
    return bench::codec::measure("capnp", options, options.mode == "encode", format);
}
