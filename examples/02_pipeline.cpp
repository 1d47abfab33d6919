// SPDX-License-Identifier: MIT
// Programs joined stdout to stdin, without a shell: the most frequent words of a text. Every
// stage's end is known, as with a shell's pipefail, but for each stage and not only the worst.
#include <cstdio>
#include <repartir/repartir.hpp>
#include <utility>

namespace {

void show(const repartir::Result<repartir::Outcome>& result) {
    if (!result) {
        std::printf("refused: %s\n", result.error().describe().c_str());
        return;
    }
    std::printf("%s", result->out.bytes().c_str());
    for (const repartir::Ending& stage : result->last().stages) {
        std::printf("[%s] ", stage.describe().c_str());
    }
    std::printf("as a whole: %s\n", result->ending.describe().c_str());
}

}  // namespace

int main() {
    using repartir::Task;
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    auto words = pool->submit(Task::pipeline(
        Task::binary("tr", "-s", " ", "\n").stdin_bytes("to be or not to be to be sure"),
        Task::binary("sort"), Task::binary("uniq", "-c"), Task::binary("sort", "-k1,1nr", "-k2"),
        Task::binary("head", "-n", "2")));
    auto broken = pool->submit(
        Task::pipeline(Task::binary("echo", "lost"), Task::binary("false"), Task::binary("cat")));
    show(std::move(words).get());
    show(std::move(broken).get());
    return 0;
}
