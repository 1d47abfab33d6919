// SPDX-License-Identifier: MIT
#include "bench/harness/child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace bench {

Child::Child() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe(ends.data()) != 0) {
        std::abort();
    }
    pid_ = ::fork();
    const bool child = in_child();
    told_ = ends[child ? 1 : 0];
    ::close(ends[child ? 0 : 1]);
    if (child) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
}

Child::~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    if (address_.starts_with("unix:")) {
        ::unlink(address_.c_str() + 5);
    }
}

/// A worker keeps its standard output open, so its address ends with its line.
void Child::listen() {
    std::array<char, 65536> some{};
    while (!address_.ends_with('\n')) {
        const ssize_t got = ::read(told_, some.data(), some.size());
        if (got <= 0) {
            break;
        }
        address_.append(some.data(), static_cast<std::size_t>(got));
    }
    ::close(told_);
    if (!address_.ends_with('\n')) {
        std::fprintf(stderr, "the other process ended before it served\n");
        std::exit(1);
    }
    address_.pop_back();
}

void tell(int fd, std::string_view address) {
    const std::string line = std::string(address) + "\n";
    if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        ::_exit(1);
    }
    ::close(fd);
}

void become_worker(const Options& options, int fd) {
    std::vector<std::string> words{
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../bin/repartir",
        "worker",
        "--print-address",
        "--config",
        "/dev/null",
        "--listen",
        listen_address(options),
        "--slots",
        std::to_string(options.workers)};
    const repartir::TlsFiles tls = security(options, "worker").tls;
    if (!tls.empty()) {
        words.insert(words.end(), {"--tls-ca", tls.ca, "--tls-crl", tls.crl, "--tls-cert",
                                   tls.certificate, "--tls-key", tls.key});
    } else if (options.at == "tcp") {
        words.emplace_back("--insecure-plaintext");
    }
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::dup2(fd, STDOUT_FILENO);
    ::close(fd);
    if (const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC); null >= 0) {
        ::dup2(null, STDERR_FILENO);  // its log
    }
    ::execv(argv[0], argv.data());
    std::perror(argv[0]);
    ::_exit(127);
}

repartir::NetworkSecurity security(const Options& options, std::string_view name) {
    repartir::NetworkSecurity security;
    if (options.at == "tls") {
        const std::string stem = options.pki + "/" + std::string(name);
        security.tls = {.ca = options.pki + "/ca.crt",
                        .certificate = stem + ".crt",
                        .key = stem + ".key",
                        .crl = options.pki + "/crl.pem"};
    } else if (options.at == "tcp") {
        security.plaintext = repartir::Plaintext::loopback;
    }
    return security;
}

std::string listen_address(const Options& options) {
    if (options.at != "unix") {
        return "127.0.0.1:0";
    }
    return "unix:" + (std::filesystem::temp_directory_path() /
                      ("repartir-bench-" + std::to_string(::getpid()) + ".sock"))
                         .string();
}

}  // namespace bench
