// SPDX-License-Identifier: MIT
#include "cli/inputs.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "cli/spill.hpp"

namespace repartir::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;

/// A file with this content, gone at the end of the test.
std::string file_with(std::string_view content, std::optional<SpillFile>& keep) {
    keep.emplace(std::move(SpillFile::create().value()));
    EXPECT_TRUE(keep->write(content).has_value());
    return keep->path();
}

std::vector<Words> all(InputSource& source) {
    std::vector<Words> items;
    Item item;
    while (true) {
        const Result<Pull> pull = source.next(item);
        EXPECT_TRUE(pull.has_value()) << pull.error().sentence();
        if (!pull || *pull != Pull::item) {
            return items;
        }
        items.push_back(item.values);
        EXPECT_EQ(item.sequence, items.size());
    }
}

TEST(Inputs, ProductVariesTheLastListFastest) {
    auto source = product_source({Words{"a", "b"}, NumberRange{1, 3, 2}}).value();
    EXPECT_EQ(source->total(), 4U);
    EXPECT_THAT(all(*source),
                ElementsAre(Words{"a", "1"}, Words{"a", "3"}, Words{"b", "1"}, Words{"b", "3"}));
}

TEST(Inputs, AnEmptyListMakesNoTask) {
    auto source = product_source({Words{"a"}, Words{}}).value();
    EXPECT_EQ(source->total(), 0U);
    EXPECT_TRUE(all(*source).empty());
}

TEST(Inputs, AHugeProductIsRefusedAndALargeOneIsNot) {
    const NumberRange big{1, 4'000'000'000, 1};
    EXPECT_TRUE(product_source({big, Words{"a", "b"}}).has_value());
    EXPECT_FALSE(product_source({big, big, big}).has_value());
}

TEST(Inputs, RangesInEverySpelling) {
    const auto numbers = [](std::string_view text) {
        const NumberRange range = parse_range(text).value();
        std::vector<std::int64_t> list;
        for (std::uint64_t i = 0; i < range.size(); ++i) {
            list.push_back(range.at(i));
        }
        return list;
    };
    EXPECT_THAT(numbers("1-4"), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(numbers("0-10:5"), ElementsAre(0, 5, 10));
    EXPECT_THAT(numbers("0-9:5"), ElementsAre(0, 5));
    EXPECT_THAT(numbers("3-1:-1"), ElementsAre(3, 2, 1));
    EXPECT_THAT(numbers("-2--1"), ElementsAre(-2, -1));
    EXPECT_THAT(numbers("7"), ElementsAre(7));
    EXPECT_THAT(numbers("9-1:-4"), ElementsAre(9, 5, 1));
    for (const char* text : {"", "a", "1-", "1-2:0", "1-2x", "1..3", "--", "1-2:"}) {
        EXPECT_THAT(parse_range(text).error().sentence(), HasSubstr("is no range")) << text;
    }
    for (const char* text : {"1-0", "1--1", "1-2:-1", "3-1:2"}) {
        EXPECT_THAT(parse_range(text).error().sentence(), HasSubstr("has no numbers")) << text;
    }
    for (const char* text : {"1-9223372036854775807", "1-9000000000000000000",
                             "1-99999999999999999999", "-99999999999999999999-1"}) {
        EXPECT_THAT(parse_range(text).error().sentence(), HasSubstr("beyond 2305843009213693951"))
            << text;
    }
}

TEST(Inputs, LinesWithAndWithoutTheLastNewline) {
    std::optional<SpillFile> keep;
    const std::string path = file_with("one\n\ntwo words\nlast", keep);
    auto source = line_source(path, '\n').value();
    EXPECT_EQ(source->total(), std::nullopt);
    EXPECT_THAT(all(*source),
                ElementsAre(Words{"one"}, Words{""}, Words{"two words"}, Words{"last"}));
    EXPECT_EQ(source->total(), 4U);
}

TEST(Inputs, NulSeparatedKeepsNewlines) {
    std::optional<SpillFile> keep;
    const std::string path = file_with(std::string_view("a\nb\0c\0", 6), keep);
    auto source = line_source(path, '\0').value();
    EXPECT_THAT(all(*source), ElementsAre(Words{"a\nb"}, Words{"c"}));
}

TEST(Inputs, ManyLinesAcrossReads) {
    std::optional<SpillFile> keep;
    std::string text;
    for (int i = 0; i < 50'000; ++i) {
        text += std::to_string(i) + "\n";
    }
    auto source = line_source(file_with(text, keep), '\n').value();
    const auto items = all(*source);
    ASSERT_EQ(items.size(), 50'000U);
    EXPECT_EQ(items[49'999][0], "49999");
}

TEST(Inputs, LinesThatNoArgumentCanHoldNameTheirPlace) {
    std::optional<SpillFile> keep;
    auto source =
        line_source(file_with("ok\n" + std::string(200'000, 'x') + "\n", keep), '\n').value();
    Item item;
    EXPECT_EQ(source->next(item).value(), Pull::item);
    EXPECT_THAT(source->next(item).error().sentence(), HasSubstr("input 2"));
    auto nul = line_source(file_with(std::string_view("a\0b\n", 4), keep), '\n').value();
    EXPECT_THAT(nul->next(item).error().sentence(), HasSubstr("NUL"));
}

TEST(Inputs, MissingFilesSaySo) {
    const auto missing = line_source("/nonexistent/list", '\n');
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code(), Code::not_found);
    EXPECT_FALSE(line_source("/", '\n').value()->next(*std::make_unique<Item>()).has_value());
}

TEST(Inputs, AnEmptyPipeBlocksWithoutBlockingUs) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const int saved = ::dup(STDIN_FILENO);
    ASSERT_EQ(::dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    auto source = line_source("-", '\n').value();
    Item item;
    EXPECT_EQ(source->next(item).value(), Pull::blocked);
    EXPECT_EQ(source->wait_fd(), STDIN_FILENO);
    ASSERT_EQ(::write(ends[1], "a\nb", 3), 3);
    EXPECT_EQ(source->next(item).value(), Pull::item);
    EXPECT_EQ(source->next(item).value(), Pull::blocked);
    ::close(ends[1]);
    EXPECT_EQ(source->next(item).value(), Pull::item);
    EXPECT_EQ(item.values[0], "b");
    EXPECT_EQ(source->next(item).value(), Pull::end);
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(ends[0]);
}

TEST(Inputs, JobsAreReadOneByOne) {
    std::optional<SpillFile> keep;
    const std::string path =
        file_with(R"([{"program":"a","name":"first"}, {"program":"b","args":["1"]}])", keep);
    auto source = job_source(path).value();
    Item item;
    EXPECT_EQ(source->next(item).value(), Pull::item);
    EXPECT_EQ(item.job->program, "a");
    EXPECT_THAT(item.values, ElementsAre("first"));
    EXPECT_EQ(source->next(item).value(), Pull::item);
    EXPECT_THAT(item.job->args, ElementsAre("1"));
    EXPECT_EQ(source->next(item).value(), Pull::end);
    EXPECT_EQ(source->total(), 2U);
}

}  // namespace
}  // namespace repartir::cli
