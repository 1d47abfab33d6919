// SPDX-License-Identifier: MIT
// An empty function through gRPC's C++ with its synchronous service, as its tutorial has it: unary
// calls for one at a time, a stream in both directions for many.
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "bench/remote_call/problem.hpp"
#include "call.grpc.pb.h"

namespace {

using bench::remote_call::Caller;
using bench::remote_call::Nothing;

class Service final : public Caller::Service {
  public:
    grpc::Status Call(grpc::ServerContext* /*context*/, const Nothing* /*request*/,
                      Nothing* /*answer*/) override {
        return grpc::Status::OK;
    }
    grpc::Status Stream(grpc::ServerContext* /*context*/,
                        grpc::ServerReaderWriter<Nothing, Nothing>* stream) override {
        Nothing message;
        while (stream->Read(&message) && stream->Write(message)) {}
        return grpc::Status::OK;
    }
};

void serve(int told) {
    Service service;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    bench::tell(told, "127.0.0.1:" + std::to_string(port));
    server->Wait();
}

bool one(Caller::Stub& stub) {
    grpc::ClientContext context;
    Nothing answer;
    return stub.Call(&context, Nothing(), &answer).ok();
}

bool many(Caller::Stub& stub, std::uint64_t count) {
    grpc::ClientContext context;
    const auto stream = stub.Stream(&context);
    std::thread writer([&] {
        for (std::uint64_t i = 0; i < count; ++i) {
            stream->Write(Nothing());
        }
        stream->WritesDone();
    });
    std::uint64_t answers = 0;
    for (Nothing answer; stream->Read(&answer);) {
        ++answers;
    }
    writer.join();
    return stream->Finish().ok() && answers == count;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Child server(serve);
    const auto stub =
        Caller::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
    return bench::remote_call::measure(
        options, "grpc", [&] { return one(*stub); },
        [&](std::uint64_t count) { return many(*stub, count); });
}
