// SPDX-License-Identifier: MIT
#include "cli/options.hpp"

#include <gtest/gtest.h>

#include <map>

namespace repartir::cli {
namespace {

TEST(Options, NamesAndLettersOccurOnce) {
    for (const CommandSpec& command : commands()) {
        std::map<std::string_view, int> names;
        std::map<char, int> letters;
        for (const OptionSpec& option : command.options) {
            EXPECT_EQ(++names[option.name], 1) << option.name;
            EXPECT_TRUE(option.letter == 0 || ++letters[option.letter] == 1) << option.name;
            EXPECT_FALSE(option.help.empty()) << option.name;
        }
    }
}

TEST(Options, CommandsAreFoundByName) {
    ASSERT_NE(find_command("run"), nullptr);
    EXPECT_EQ(find_command("run")->name, "run");
    EXPECT_EQ(find_command("walk"), nullptr);
    EXPECT_FALSE(version().empty());
}

}  // namespace
}  // namespace repartir::cli
