// SPDX-License-Identifier: MIT
#include "proc/spawn_error.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "proc/spawn_fixture.hpp"

namespace repartir::proc {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class SpawnError : public WithSpawner {
  protected:
    void expect(const Error& error, Code code, const std::string& part,
                Domain domain = Domain::process) {
        EXPECT_EQ(error.code(), code) << error.sentence();
        EXPECT_EQ(error.domain(), domain);
        EXPECT_THAT(error.sentence(), HasSubstr(part));
        EXPECT_FALSE(error.sentence().ends_with('.')) << "one sentence, to be joined with others";
    }
    TemporaryDirectory directory_;
    base::Fd null_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
};
INSTANTIATE_TEST_SUITE_P(Ways, SpawnError, ::testing::Values(CloneWay::clone3, CloneWay::clone),
                         name_of_way);

TEST_P(SpawnError, ProgramNotInPath) {
    const Error error = error_of({"no-such-program"});
    expect(error, Code::not_found,
           "cannot find the program 'no-such-program' in any directory of the task's PATH");
    EXPECT_FALSE(error.retryable());
}

TEST_P(SpawnError, PathOfTheProgram) {
    expect(error_of({"/no/such/program"}), Code::not_found,
           "cannot start '/no/such/program': no such file; check the path of the program");
    expect(error_of({"./tool"}, [](SpawnPlan& plan) { plan.cwd = "/usr"; }), Code::not_found,
           "cannot start './tool': no such file; check the path of the program (seen from the "
           "directory '/usr')");
    expect(error_of({""}), Code::not_found, "cannot start '': no such file");
    expect(error_of({"/etc/passwd/tool"}), Code::not_found,
           "a part of its path is not a directory");
}

TEST_P(SpawnError, InterpreterOfAScript) {
    const std::string script = directory_.write("script", "#! /opt/nowhere/python -u\n", 0755);
    expect(error_of({script}), Code::not_found,
           "cannot start '" + script + "': its interpreter '/opt/nowhere/python' does not exist");
}

TEST_P(SpawnError, LoaderOfABinary) {
    std::ifstream original("/bin/true", std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(original)), {});
    const std::size_t at = bytes.find("/lib64/ld-linux");
    if (at == std::string::npos) {
        GTEST_SKIP() << "/bin/true has another loader here";
    }
    bytes.replace(at, 6, "/nowhe");
    const std::string binary = directory_.write("binary", bytes, 0755);
    expect(error_of({binary}), Code::not_found, "its interpreter '/nowhe/ld-linux");
}

TEST_P(SpawnError, WorkingDirectory) {
    expect(error_of({"/bin/true"}, [](SpawnPlan& plan) { plan.cwd = "/no/such/place"; }),
           Code::not_found,
           "cannot start '/bin/true' in the directory '/no/such/place': No such file or directory",
           Domain::io);
    expect(error_of({"/bin/true"}, [](SpawnPlan& plan) { plan.cwd = "/etc/passwd"; }),
           Code::not_found, "in the directory '/etc/passwd': Not a directory", Domain::io);
}

TEST_P(SpawnError, AScriptThatNamesNoInterpreter) {
    for (const char* text : {"#!", "#!\n", "#! \t\n", "#!  ", "#!\necho\n"}) {
        const std::string file = directory_.write("script", text, 0755);
        expect(error_of({file}), Code::not_executable, "its first line is #! and names no");
    }
}

TEST_P(SpawnError, NotMarkedExecutable) {
    const std::string file = directory_.write("file", "#!/bin/sh\n", 0644);
    expect(error_of({file}), Code::permission_denied, "not marked as executable; chmod +x it");
    const Strings path({"PATH=" + directory_.path()});
    expect(error_of({"file"}, [&](SpawnPlan& plan) { plan.envp = path.data(); }),
           Code::permission_denied, "cannot start '" + file + "'");
}

TEST_P(SpawnError, InterpreterThatMayNotBeExecuted) {
    const std::string file = directory_.write("file", "#!/etc/passwd\n", 0755);
    expect(error_of({file}), Code::permission_denied, "check the file, its interpreter");
}

TEST_P(SpawnError, Directory) {
    expect(error_of({"/usr"}), Code::not_executable, "cannot start '/usr': it is a directory");
}

TEST_P(SpawnError, UnknownFormat) {
    const std::string file = directory_.write("file", "echo no shebang\n", 0755);
    expect(error_of({file}), Code::not_executable, "it is no program for this machine");
}

TEST_P(SpawnError, ArgumentsTooLong) {
    const Error error = error_of({"/bin/true", std::string(3U << 20U, 'x')});
    expect(error, Code::too_large, "hand them over in a file or on standard input");
    EXPECT_THAT(error.sentence(), HasSubstr("take 3145"));
}

TEST_P(SpawnError, BusyForWritingIsRetryable) {
    const std::string file = directory_.write("file", "#!/bin/sh\n", 0755);
    const base::Fd writer(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    const Error error = error_of({file});
    expect(error, Code::not_executable, "open for writing just now");
    EXPECT_TRUE(error.retryable());
}

TEST_P(SpawnError, LinksAndNames) {
    const std::string link = directory_ / "link";
    std::filesystem::create_symlink("link", link);
    expect(error_of({link}), Code::not_executable, "too many symbolic links");
    expect(error_of({"/" + std::string(300, 'x')}), Code::too_large, "its name is too long");
    expect(error_of({std::string(300, 'x')}), Code::too_large, "its name is too long");
}

TEST_P(SpawnError, NoDescriptors) {
    const Strings argv({"/bin/true"});
    SpawnPlan plan;
    plan.program = "/bin/true";
    plan.argv = plan.envp = argv.data();
    Spawner& spawner = *spawner_;
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = *open_descriptors().rbegin() + 1;
    std::vector<base::Fd> holes;  // every number below the limit is taken
    for (int fd = 0; (fd = ::fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0 && fd < next;) {
        holes.emplace_back(fd);
    }
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(next);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    // Nothing virtual until the limit is lifted: the sanitizer needs descriptors to check a vptr.
    const auto child = spawner.spawn(plan);
    ::setrlimit(RLIMIT_NOFILE, &before);
    ASSERT_FALSE(child);
    expect(child.error(), Code::out_of_resources, "this process has too many open files");
    EXPECT_TRUE(child.error().retryable());
}

TEST_P(SpawnError, NoProcesses) {
    if (::getuid() != 0) {
        GTEST_SKIP() << "needs root, to become a user with no process left";
    }
    auto pipe = make_pipe(OurEnd::neither);
    ASSERT_TRUE(pipe);
    const pid_t pid = ::fork();
    if (pid == 0) {
        const rlimit none{.rlim_cur = 0, .rlim_max = 0};
        std::string told = "could not become nobody";
        if (::setuid(65534) == 0 && ::setrlimit(RLIMIT_NPROC, &none) == 0) {
            auto child = start({"/bin/true"});
            told = child ? "it started" : child.error().sentence();
            told += !child && child.error().retryable() ? ", retryable" : "";
        }
        ::_exit(::write(pipe->writer.get(), told.data(), told.size()) > 0 ? 0 : 1);
    }
    pipe->writer.reset();
    EXPECT_THAT(
        read_all(pipe->reader.get()),
        AllOf(HasSubstr("cannot start '/bin/true': too many processes"), EndsWith(", retryable")));
    ::waitpid(pid, nullptr, 0);
}

TEST_P(SpawnError, CpusThatDoNotExist) {
    std::vector<unsigned long> none(current_affinity().size(), 0);
    none.back() = 1UL << 63U;
    expect(error_of({"/bin/true"}, [&](SpawnPlan& plan) { plan.affinity = none; }),
           Code::invalid_argument, "run on the CPUs asked for, none of which this process may use");
}

TEST_P(SpawnError, StepsThatTheKernelRefuses) {
    expect(error_of({"/bin/true"},
                    [](SpawnPlan& plan) {
                        plan.group = Group::join;
                        plan.group_id = 1;
                    }),
           Code::permission_denied, "cannot start '/bin/true': it cannot enter its process group");
    expect(error_of({"/bin/true"}, [this](SpawnPlan& plan) { plan.terminal = null_.get(); }),
           Code::io_error, "take the foreground of its terminal");
    const std::array<int, 1> read_only{null_.get()};
    expect(error_of({"/bin/true"}, [&](SpawnPlan& plan) { plan.cgroup_procs = read_only; }),
           Code::invalid_argument, "enter its cgroup");
    const std::array<FdMapping, 1> closed{FdMapping{.child = 5, .parent = 9999}};
    expect(error_of({"/bin/true"}, [&](SpawnPlan& plan) { plan.extra_fds = closed; }),
           Code::invalid_argument, "get its open files");
    const std::array<RlimitSetting, 1> inverted{
        RlimitSetting{.resource = RLIMIT_CPU, .value = {.rlim_cur = 9, .rlim_max = 3}}};
    expect(error_of({"/bin/true"}, [&](SpawnPlan& plan) { plan.rlimits = inverted; }),
           Code::invalid_argument, "with the limit RLIMIT_CPU at 9");
    expect(error_of({"/bin/true"}, [](SpawnPlan& plan) { plan.death_signal = 999; }),
           Code::invalid_argument, "be tied to this process");
}

// What cannot be provoked here without harming the machine.
TEST(SpawnErrorTable, AMemoryLimitUnderWhichNothingBegins) {
    SpawnPlan plan;
    plan.program = "true";
    const char* const none = nullptr;
    plan.argv = plan.envp = &none;
    for (const int os_error : {ENOMEM, E2BIG}) {
        plan.memory_limit = 4096;
        const Error error = spawn_error(plan, Step::exec, os_error, "/bin/true", 0);
        EXPECT_EQ(
            error.sentence(),
            "cannot start 'true': its memory limit of 4096 bytes is too small for it to begin; "
            "raise it");
        EXPECT_EQ(error.code(), Code::invalid_argument);
        EXPECT_FALSE(error.retryable());
        plan.memory_limit = 64U << 20U;
        EXPECT_EQ(spawn_error(plan, Step::exec, os_error, "/bin/true", 0).retryable(),
                  os_error == ENOMEM);
    }
}

TEST(SpawnErrorTable, ShortagesOfTheWholeMachine) {
    const Strings argv({"tool"});
    SpawnPlan plan;
    plan.program = "tool";
    plan.argv = plan.envp = argv.data();
    const Error files = spawn_error(plan, Step::clone, ENFILE, "tool", 0);
    EXPECT_THAT(files.sentence(), HasSubstr("the machine has too many open files"));
    EXPECT_TRUE(files.retryable());
    const Error memory = spawn_error(plan, Step::clone, ENOMEM, "tool", 0);
    EXPECT_THAT(memory.sentence(), HasSubstr("no memory for another process"));
    EXPECT_TRUE(memory.retryable());
    EXPECT_THAT(spawn_error(plan, Step::exec, EPERM, "tool", 0).sentence(), HasSubstr("nosuid"));
    EXPECT_THAT(spawn_error(plan, Step::exec, EISDIR, "tool", 0).sentence(),
                HasSubstr("its interpreter is a directory"));
    EXPECT_EQ(spawn_error(plan, Step::exec, EIO, "tool", 0).sentence(),
              "cannot start 'tool': Input/output error");
    EXPECT_EQ(spawn_error(plan, Step::descriptors, EMFILE, "tool", 0).code(),
              Code::out_of_resources);
    EXPECT_THAT(spawn_error(plan, Step::nice, EACCES, "tool", 0).sentence(),
                HasSubstr("take on its nice value: Permission denied"));
    for (const auto& [resource, name] :
         {std::pair(RLIMIT_AS, "RLIMIT_AS at 5"), std::pair(RLIMIT_FSIZE, "RLIMIT_FSIZE at 5"),
          std::pair(RLIMIT_NOFILE, "RLIMIT_NOFILE at 5"), std::pair(RLIMIT_RTTIME, "number 15")}) {
        const std::array<RlimitSetting, 1> settings{
            RlimitSetting{.resource = resource, .value = {.rlim_cur = 5, .rlim_max = 5}}};
        plan.rlimits = settings;
        EXPECT_THAT(spawn_error(plan, Step::rlimit, EPERM, "tool", 0).sentence(), HasSubstr(name));
    }
    plan.rlimits = {};
    EXPECT_THAT(spawn_error(plan, Step::none, EINVAL, "tool", 0).sentence(),
                HasSubstr("it cannot start"));
    plan.cgroup = 3;
    EXPECT_EQ(spawn_error(plan, Step::clone, EBUSY, "tool", 0).sentence(),
              "cannot start 'tool' in its cgroup: Device or resource busy");
}

}  // namespace
}  // namespace repartir::proc
