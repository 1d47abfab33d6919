// SPDX-License-Identifier: MIT
// Data that a function makes, a program transforms and a function reads, without a copy: the
// program opens both buffers as files. Nothing passes through a pipe, however large they are.
// usage: 06_shared_buffer [MiB]
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <repartir/repartir.hpp>
#include <utility>

int main(int argc, char** argv) {
    const std::size_t size = (argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 8) << 20U;
    auto pool = repartir::Pool::builder().build();
    auto input = repartir::SharedBuffer::create(size);
    auto output = repartir::SharedBuffer::create(size);
    if (!pool || !input || !output) {
        std::fputs("no pool, or no memory for the buffers\n", stderr);
        return 1;
    }
    const auto filled = pool->parallel_for(0, size, [bytes = input->writable()](std::size_t i) {
        bytes[i] = static_cast<std::byte>('a' + i % 26);
    });
    if (!filled || !input->seal()) {  // from here on nobody can change the input
        return 1;
    }
    // The shell's 1<> opens without truncating: a shared buffer has a fixed size.
    auto pending =
        pool->submit(repartir::Task::binary("sh", "-c", "tr a-z A-Z <\"$IN\" 1<>\"$OUT\"")
                         .buffer("IN", *input)
                         .buffer("OUT", *output));
    const auto outcome = std::move(pending).get();
    if (!outcome || !outcome->ok()) {
        std::fprintf(stderr, "%s\n", outcome ? outcome->err.bytes().c_str() : "refused");
        return 1;
    }
    const auto text = output->text();
    const auto capitals =
        std::count_if(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    std::printf("%zu bytes in, %zd capitals out, beginning with %.26s\n", input->size(),
                static_cast<std::ptrdiff_t>(capitals), text.data());
    return 0;
}
