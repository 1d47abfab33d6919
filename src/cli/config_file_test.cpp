// SPDX-License-Identifier: MIT
#include "cli/config_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "cli/options.hpp"

namespace repartir::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ConfigFileTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = (std::filesystem::temp_directory_path() / "repartir-XXXXXX").string();
        ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) {
        const std::filesystem::path path = folder_ + "/" + name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
        return path;
    }
    Result<std::string> add(const std::vector<std::string>& words) {
        const EnvLookup lookup = [this](std::string_view name) {
            const auto found = env_.find(name);
            return found == env_.end() ? std::nullopt : std::optional(found->second);
        };
        parsed_ = parse_args(*find_command("worker"), words, lookup).value();
        return add_config_file(*find_command("worker"), lookup, parsed_);
    }
    std::string refusal(const std::string& text) {
        const auto added = add({"--config", write("bad.toml", text)});
        return added ? "accepted" : added.error().sentence();
    }

    std::string folder_;
    std::map<std::string, std::string, std::less<>> env_;
    Parsed parsed_;
};

TEST_F(ConfigFileTest, FlagsBeatTheEnvironmentWhichBeatsTheFile) {
    const std::string path = write("w.toml",
                                   "slots = 1\nname = \"file\"\nmemory = \"1G\"\nsupervise = true\n"
                                   "listen = [\"unix:/a\", \"unix:/b\"]\n");
    env_ = {{"REPARTIR_WORKER_SLOTS", "2"},
            {"REPARTIR_WORKER_NAME", "variable"},
            {"REPARTIR_CONFIG", path}};
    EXPECT_EQ(add({"--slots", "3"}).value(), path);
    EXPECT_EQ(parsed_.last(Opt::slots), "3");
    EXPECT_EQ(parsed_.last(Opt::name), "variable");
    EXPECT_EQ(parsed_.last(Opt::memory), "1G");
    EXPECT_EQ(parsed_.origin(Opt::memory)->where, path + ":3");
    EXPECT_TRUE(parsed_.on(Opt::supervise));
    EXPECT_THAT(parsed_.all(Opt::listen), ElementsAre("unix:/a", "unix:/b"));
    ASSERT_TRUE(add({"--listen", "unix:/c", "--no-supervise"}).has_value());
    EXPECT_THAT(parsed_.all(Opt::listen), ElementsAre("unix:/c"));
    EXPECT_FALSE(parsed_.on(Opt::supervise));
}

TEST_F(ConfigFileTest, TheUsualPlaceIsReadWhereOneIsThere) {
    env_ = {{"HOME", folder_}};
    const std::string home = write(".config/repartir/worker.toml", "slots = 1\n");
    EXPECT_EQ(add({}).value(), home);
    const std::string own = write("xdg/repartir/worker.toml", "slots = 2\n");
    env_.emplace("XDG_CONFIG_HOME", folder_ + "/xdg");
    EXPECT_EQ(add({}).value(), own);
    EXPECT_EQ(parsed_.last(Opt::slots), "2");
    EXPECT_EQ(add({"--config", "/dev/null"}).value(), "/dev/null");
    EXPECT_FALSE(parsed_.given(Opt::slots));
}

TEST_F(ConfigFileTest, AFileThatWasNamedMustBeThere) {
    EXPECT_THAT(add({"--config", folder_ + "/none.toml"}).error().sentence(),
                HasSubstr("/none.toml"));
    EXPECT_THAT(add({"--config", folder_}).error().sentence(), HasSubstr("cannot be read"));
    EXPECT_THAT(add({"--config", "/dev/zero"}).error().sentence(), HasSubstr("longer than"));
}

TEST_F(ConfigFileTest, MistakesAreNamedWithTheirLine) {
    EXPECT_THAT(refusal("slot = 1"), HasSubstr("/bad.toml:1: there is no key \"slot\"; did you"
                                               " mean slots?"));
    EXPECT_THAT(refusal("config = \"x\""), HasSubstr("there is no key \"config\""));
    EXPECT_THAT(refusal("print-address = true"), HasSubstr("there is no key"));
    EXPECT_THAT(refusal("\nslots = [1, 2]"), HasSubstr("/bad.toml:2: slots takes one value"));
    EXPECT_THAT(refusal("supervise = \"perhaps\""), HasSubstr("/bad.toml:1: supervise"));
    EXPECT_EQ(refusal("listen = \"unix:/a\"\ninsecure-plaintext = true\n"), "accepted");
}

}  // namespace
}  // namespace repartir::cli
