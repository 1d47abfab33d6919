// SPDX-License-Identifier: MIT
#include "cli/worker_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "cli/options.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string, std::less<>>;

Result<WorkerConfig> configure(const Words& words, const Variables& env = {}) {
    const auto parsed = parse_args(*find_command("worker"), words, [&](std::string_view name) {
        const auto found = env.find(name);
        return found == env.end() ? std::nullopt : std::optional(found->second);
    });
    EXPECT_TRUE(parsed.has_value());
    return read_worker_config(*parsed);
}

std::string refusal(const Words& words, const Variables& env = {}) {
    const auto config = configure(words, env);
    return config ? "accepted" : config.error().sentence();
}

TEST(WorkerConfig, EverySettingArrives) {
    const WorkerConfig config = configure({"--listen",
                                           "127.0.0.1:1",
                                           "--listen=unix:/s",
                                           "--slots",
                                           "3",
                                           "--memory",
                                           "2G",
                                           "--name",
                                           "me",
                                           "--tls-ca",
                                           "a",
                                           "--tls-cert",
                                           "b",
                                           "--tls-key",
                                           "c",
                                           "--tls-crl",
                                           "d",
                                           "--insecure-plaintext=any",
                                           "--socket-group",
                                           "root",
                                           "--drain-timeout",
                                           "5s",
                                           "--heartbeat",
                                           "2s",
                                           "--keep-work",
                                           "3m",
                                           "--supervise",
                                           "--print-address"})
                                    .value();
    EXPECT_THAT(config.options.listen, ElementsAre("127.0.0.1:1", "unix:/s"));
    EXPECT_EQ(config.options.slots, 3U);
    EXPECT_EQ(config.options.memory_bytes, 2ULL << 30U);
    EXPECT_EQ(config.options.name, "me");
    EXPECT_EQ(config.options.security.tls.ca, "a");
    EXPECT_EQ(config.options.security.tls.certificate, "b");
    EXPECT_EQ(config.options.security.tls.key, "c");
    EXPECT_EQ(config.options.security.tls.crl, "d");
    EXPECT_EQ(config.options.security.plaintext, Plaintext::any);
    EXPECT_THAT(config.options.security.groups, ElementsAre("root"));
    EXPECT_EQ(config.drain_timeout, 5s);
    EXPECT_EQ(config.options.heartbeat, 2s);
    EXPECT_EQ(config.options.keep_work, 3min);
    EXPECT_TRUE(config.supervise && config.print_address);
}

TEST(WorkerConfig, DefaultsAreSecure) {
    const WorkerConfig config = configure({}).value();
    EXPECT_EQ(config.options.security.plaintext, Plaintext::no);
    EXPECT_TRUE(config.options.security.tls.empty());
    EXPECT_EQ(config.drain_timeout, 30s);
    EXPECT_FALSE(config.supervise || config.print_address);
}

TEST(WorkerConfig, PlaintextIsAskedForByName) {
    const auto plaintext = [](const Words& words, const Variables& env = {}) {
        return configure(words, env)->options.security.plaintext;
    };
    const std::string variable = "REPARTIR_WORKER_INSECURE_PLAINTEXT";
    EXPECT_EQ(plaintext({"--insecure-plaintext"}), Plaintext::loopback);
    EXPECT_EQ(plaintext({}, {{variable, "any"}}), Plaintext::any);
    EXPECT_EQ(plaintext({}, {{variable, "yes"}}), Plaintext::loopback);
    EXPECT_EQ(plaintext({"--no-insecure-plaintext"}, {{variable, "any"}}), Plaintext::no);
    EXPECT_THAT(refusal({"--insecure-plaintext=everywhere"}), HasSubstr("none of loopback"));
}

TEST(WorkerConfig, AListOfTheEnvironmentIsReplacedAsAWhole) {
    const Variables env{{"REPARTIR_WORKER_LISTEN", "unix:/a,unix:/b"}};
    EXPECT_THAT(configure({}, env)->options.listen, ElementsAre("unix:/a", "unix:/b"));
    EXPECT_THAT(configure({"--listen", "unix:/c"}, env)->options.listen, ElementsAre("unix:/c"));
}

TEST(WorkerConfig, BadValuesNameWhatSetThem) {
    EXPECT_THAT(refusal({"--slots", "0"}), HasSubstr("--slots"));
    EXPECT_THAT(refusal({"--memory", "much"}), HasSubstr("--memory"));
    EXPECT_THAT(refusal({"--heartbeat", "10s"}), HasSubstr("between 1s and 5s"));
    EXPECT_THAT(refusal({"--name="}), HasSubstr("--name"));
    EXPECT_THAT(refusal({"--tls-cert", "c", "--tls-ca", "a"}), HasSubstr("needs --tls-key"));
    EXPECT_THAT(refusal({"--listen", ":99999"}), HasSubstr("--listen: ':99999' is no address"));
    EXPECT_THAT(refusal({"--listen", "unix:/a", "--listen", "5"}), HasSubstr("'5' is no address"));
    EXPECT_THAT(refusal({}, {{"REPARTIR_WORKER_SOCKET_GROUP", "root,nobody-has-this"}}),
                HasSubstr("the environment variable REPARTIR_WORKER_SOCKET_GROUP sets "
                          "--socket-group: the group 'nobody-has-this' is not known"));
    EXPECT_THAT(refusal({"--tls-crl", "c"}), HasSubstr("needs --tls-ca"));
    EXPECT_THAT(refusal({}, {{"REPARTIR_WORKER_DRAIN_TIMEOUT", "soon"}}),
                HasSubstr("the environment variable REPARTIR_WORKER_DRAIN_TIMEOUT sets"));
}

}  // namespace
}  // namespace repartir::cli
