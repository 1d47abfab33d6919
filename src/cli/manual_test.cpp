// SPDX-License-Identifier: MIT
#include "cli/manual.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/options.hpp"

namespace repartir::cli {
namespace {

using testing::HasSubstr;

TEST(Manual, EveryOptionIsInEveryText) {
    const std::string help = help_text(*find_command("run"));
    const std::string bash = bash_completion();
    const std::string zsh = zsh_completion();
    const std::string man = man_page();
    for (const OptionSpec& option : find_command("run")->options) {
        const std::string name = "--" + std::string(option.name);
        EXPECT_THAT(help, HasSubstr(name));
        EXPECT_THAT(bash, HasSubstr(name));
        EXPECT_THAT(zsh, HasSubstr(name));
        std::string roffed;
        for (const char c : name) {
            roffed += c == '-' ? "\\-" : std::string(1, c);
        }
        EXPECT_THAT(man, HasSubstr(roffed));
        if (!option.variable.empty()) {
            EXPECT_THAT(help, HasSubstr(std::string(option.variable)));
        }
    }
}

TEST(Manual, HelpFitsATerminal) {
    for (const CommandSpec& command : commands()) {
        std::istringstream lines(help_text(command));
        for (std::string line; std::getline(lines, line);) {
            const bool example = line.starts_with("  ") && line.find("repartir run") < 50;
            EXPECT_TRUE(example || line.size() <= 80) << line;
        }
    }
}

TEST(Manual, HiddenCommandsStayHidden) {
    EXPECT_EQ(overview_text().find("completion"), std::string::npos);
    EXPECT_THAT(overview_text(), HasSubstr("\n  run "));
    EXPECT_THAT(overview_text(), HasSubstr("\n  info "));
}

}  // namespace
}  // namespace repartir::cli
