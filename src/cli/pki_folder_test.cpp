// SPDX-License-Identifier: MIT
#include "cli/pki_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "trust/authority_fixture.hpp"
#include "trust/facts.hpp"

namespace repartir::cli {
namespace {

using testing::HasSubstr;

class PkiFolderTest : public testing::Test {
  protected:
    PkiFolderTest() {
        std::string path = testing::TempDir() + "repartir-pki-XXXXXX";
        EXPECT_NE(::mkdtemp(path.data()), nullptr);
        folder_ = path;
    }
    ~PkiFolderTest() override { std::filesystem::remove_all(folder_); }
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
    [[nodiscard]] static mode_t mode_of(const std::string& path) {
        struct stat found{};
        EXPECT_EQ(::stat(path.c_str(), &found), 0) << path;
        return found.st_mode & 07777U;
    }
    [[nodiscard]] PkiFolder make() const {
        return PkiFolder::create(path("a/b"), "test", trust::good_for_days()).value();
    }

    std::string folder_;
};

TEST_F(PkiFolderTest, HoldsAnAuthority) {
    const mode_t before = ::umask(0);
    (void)make();
    ::umask(before);
    EXPECT_EQ(mode_of(path("a/b")), 0700U);
    EXPECT_EQ(mode_of(path("a/b/ca.key")), 0600U);
    EXPECT_EQ(mode_of(path("a/b/ca.crt")), 0644U);
    const PkiFolder folder = PkiFolder::open(path("a/b")).value();
    EXPECT_TRUE(folder.issued().empty());
    EXPECT_EQ(trust::describe_certificate(folder.authority().certificate, "x")->name, "test");
    const auto list =
        trust::describe_revocation_list(read_text_file(folder.path("crl.pem")).value(), "x");
    EXPECT_EQ(list->number, 1U);
    EXPECT_LE(list->validity.from, trust::now() - std::chrono::minutes(59)) << "clocks differ";
}

TEST_F(PkiFolderTest, IsNeverOverwritten) {
    (void)make();
    const std::string key = read_text_file(path("a/b/ca.key")).value();
    for (const char* gone : {"", "ca.crt", "crl.pem", "index"}) {
        std::filesystem::remove(path(std::string("a/b/") + gone + (*gone == 0 ? "none" : "")));
        const auto again = PkiFolder::create(path("a/b"), "test", trust::good_for_days());
        ASSERT_FALSE(again) << gone;
        EXPECT_EQ(again.error().code(), Code::invalid_argument);
        EXPECT_THAT(again.error().sentence(), HasSubstr("is there already, and an authority"));
    }
    EXPECT_EQ(read_text_file(path("a/b/ca.key")).value(), key);
}

TEST_F(PkiFolderTest, RemembersWhatWasIssuedAndRevoked) {
    const IssuedCertificate one{"ab", trust::Role::worker, "w", trust::now(), {}};
    const IssuedCertificate two{"cd", trust::Role::client, "c", trust::now(), {}};
    {
        PkiFolder folder = make();
        ASSERT_TRUE(folder.note(one));
        ASSERT_TRUE(folder.note(two));
        ASSERT_TRUE(folder.revoke({"cd"}, trust::now()));
    }
    PkiFolder folder = PkiFolder::open(path("a/b")).value();
    ASSERT_EQ(folder.issued().size(), 2U);
    EXPECT_EQ(folder.issued()[0], one);
    EXPECT_TRUE(folder.issued()[1].is_revoked());
    // A list that was lost in a crash comes with the next revocation, also of nothing new.
    std::filesystem::remove(folder.path("crl.pem"));
    ASSERT_TRUE(folder.revoke({"cd"}, trust::now()));
    const auto list =
        trust::describe_revocation_list(read_text_file(folder.path("crl.pem")).value(), "x");
    ASSERT_EQ(list->revoked.size(), 1U);
    EXPECT_EQ(list->revoked[0].serial, std::string(30, '0') + "cd");
    ASSERT_TRUE(folder.revoke({"ab"}, trust::now()));
    const auto next =
        trust::describe_revocation_list(read_text_file(folder.path("crl.pem")).value(), "x");
    EXPECT_EQ(next->revoked.size(), 2U);
    EXPECT_EQ(next->number, list->number + 1);
}

TEST_F(PkiFolderTest, MissingAndDamagedFilesAreNamed) {
    EXPECT_THAT(PkiFolder::open(path("none")).error().sentence(),
                HasSubstr("there is no authority in " + path("none")));
    (void)make();
    std::ofstream(path("a/b/index")) << "repartir-pki 1\nab\tworker\tw\t1\n";
    EXPECT_THAT(PkiFolder::open(path("a/b")).error().sentence(),
                HasSubstr(path("a/b/index") + ": line 2 of the index cannot be read"));
    std::filesystem::remove(path("a/b/ca.key"));
    EXPECT_EQ(PkiFolder::open(path("a/b")).error().code(), Code::not_found);
}

TEST_F(PkiFolderTest, WhatCannotBeAFolderOrAFileOfItIsNamed) {
    std::ofstream(path("file")) << "x";
    const auto refusal = [&](const std::string& at) {
        return PkiFolder::create(at, "us", trust::good_for_days()).error().sentence();
    };
    EXPECT_THAT(refusal(path("file")), HasSubstr("cannot use " + path("file")));
    EXPECT_THAT(refusal("/proc/none/pki"), HasSubstr("cannot make the folder /proc/none"));
    std::filesystem::create_directories(path("locked/.lock"));
    EXPECT_THAT(refusal(path("locked")), HasSubstr("cannot lock " + path("locked/.lock")));
    EXPECT_THAT(read_text_file(path("locked")).error().sentence(), HasSubstr("cannot read"));
    std::ofstream(path("large")) << std::string((16UL << 20U) + 1, 'x');
    EXPECT_THAT(read_text_file(path("large")).error().sentence(),
                HasSubstr(path("large") + " is longer than 16 MiB"));
    std::filesystem::create_directories(path("taken/by/others"));
    EXPECT_THAT(write_file_whole(path("taken"), "x", 0600, true).error().sentence(),
                HasSubstr("cannot write " + path("taken")));
    EXPECT_THAT(write_file_whole("/dev/full/x", "x", 0600, true).error().sentence(),
                HasSubstr("cannot make /dev/full/x"));
}

TEST_F(PkiFolderTest, WholeFilesReplaceOnlyWhenTheyMay) {
    ASSERT_TRUE(write_file_whole(path("f"), "one", 0600, false));
    EXPECT_EQ(write_file_whole(path("f"), "two", 0600, false).error().code(),
              Code::invalid_argument);
    EXPECT_EQ(read_text_file(path("f")).value(), "one");
    ASSERT_TRUE(write_file_whole(path("f"), "three", 0644, true));
    EXPECT_EQ(read_text_file(path("f")).value(), "three");
    EXPECT_EQ(mode_of(path("f")), 0644U);
    EXPECT_FALSE(write_file_whole(path("none/f"), "x", 0600, true));
    const auto files = std::filesystem::directory_iterator(folder_);
    EXPECT_EQ(std::distance(begin(files), end(files)), 1) << "nothing else is left behind";
}

TEST(PkiIndex, IsReadAsItWasWritten) {
    const std::vector<IssuedCertificate> issued{
        {"00ff", trust::Role::broker, "a.b_c-d", trust::now(), trust::now()},
        {"1", trust::Role::client, "x", std::chrono::sys_seconds{}, {}}};
    EXPECT_EQ(read_index(index_text(issued)).value(), issued);
    EXPECT_EQ(read_index(index_text({})).value().size(), 0U);
}

TEST(PkiIndex, RefusesWhatItNeverWrote) {
    for (const char* line :
         {"x\tworker\tw\t1\t0\n", "ab\tboss\tw\t1\t0\n", "ab\tworker\t../w\t1\t0\n",
          "ab\tworker\tw\t-1\t0\n", "ab\tworker\tw\t1\t0\t\n", "\n", "ab\tworker\tw\t1\t0",
          "ab\tworker\tw\t1x\t0\n"}) {
        EXPECT_THAT(read_index(std::string("repartir-pki 1\n") + line).error().sentence(),
                    HasSubstr("line 2 "))
            << line;
    }
    for (const char* text : {"", "repartir-pki 2\n", "junk"}) {
        EXPECT_THAT(read_index(text).error().sentence(), HasSubstr("line 1 ")) << text;
    }
}

}  // namespace
}  // namespace repartir::cli
