// SPDX-License-Identifier: MIT
// One TLS stream as OpenSSL makes it: TLS 1.3, its first choice of cipher, which is ours too,
// certificates at both ends, blocking sockets. A byte asks, the bytes come, into memory that was
// touched before.
#include <openssl/ssl.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/child.hpp"
#include "bench/harness/sockets.hpp"
#include "bench/remote_bulk/problem.hpp"

namespace {

using bench::remote_bulk::block_bytes;
using bench::remote_bulk::result_bytes;

void demand(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "raw_tls: %s\n", what);
        std::exit(1);
    }
}

/// One end of a stream over a connected socket; all ends with the process.
class Tls {
  public:
    /// @param name of its certificate in the folder --pki
    Tls(int socket, const bench::Options& options, const char* name, bool accepts) {
        SSL_CTX* const context = SSL_CTX_new(TLS_method());
        const std::string stem = options.pki + "/" + name;
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
        SSL_CTX_set_read_ahead(context, 1);  // one system call a record, not two
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        demand(SSL_CTX_use_certificate_chain_file(context, (stem + ".crt").c_str()) == 1 &&
                   SSL_CTX_use_PrivateKey_file(context, (stem + ".key").c_str(),
                                               SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_load_verify_locations(context, (options.pki + "/ca.crt").c_str(),
                                                 nullptr) == 1,
               "cannot read the certificates of --pki");
        ssl_ = SSL_new(context);
        SSL_set_fd(ssl_, socket);
        demand((accepts ? SSL_accept(ssl_) : SSL_connect(ssl_)) == 1, "no handshake");
    }
    [[nodiscard]] bool write(const char* from, std::size_t bytes) {
        std::size_t put = 0;
        return SSL_write_ex(ssl_, from, bytes, &put) == 1 && put == bytes;
    }
    [[nodiscard]] bool read(char* into, std::size_t bytes) {
        for (std::size_t got = 0; bytes != 0; into += got, bytes -= got) {
            if (SSL_read_ex(ssl_, into, bytes, &got) != 1) {
                return false;
            }
        }
        return true;
    }

  private:
    SSL* ssl_ = nullptr;
};

void serve(const bench::Options& options, int told) {
    const std::string all = bench::remote_bulk::make_all();
    const bench::Listener listener;
    bench::tell(told, listener.port());
    Tls client(listener.accept(), options, "worker", true);
    char asked = 0;
    while (client.read(&asked, 1)) {
        for (std::size_t sent = 0; sent < result_bytes; sent += block_bytes) {
            if (!client.write(all.data() + sent, block_bytes)) {
                return;
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Child server([&](int told) { serve(options, told); });
    Tls stream(bench::connect_to(server.address()), options, "client", false);
    std::vector<char> all(result_bytes);
    return bench::remote_bulk::measure(
        options, "raw_tls",
        [&]() -> std::size_t {
            return stream.write("?", 1) && stream.read(all.data(), all.size()) ? all.size() : 0;
        },
        [&](std::size_t bytes) { return std::string_view(all.data(), bytes); });
}
