#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

struct Ending {
  int code = 0;
  double seconds = 0;
  double seconds_after_event = 0;  // 0: none was marked
  std::string output;
};

double seconds_after_event(const std::string& output) {
  const std::string mark = "event at ";
  const auto at = output.find(mark);
  if (at == std::string::npos) return 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto event = std::chrono::milliseconds(std::stoll(output.substr(at + mark.size())));
  return std::chrono::duration<double>(now - event).count();
}

// Runs tests/mpi/endings.cpp on `ranks` ranks; 0: without mpirun.
Ending ending(int ranks, const std::string& way, const std::string& environment = "") {
  const std::string launcher =
      ranks > 0 ? std::string(UNDER_MPIRUN) + " " + std::to_string(ranks) + " " : std::string();
  const std::string command = "env " + environment + " " + launcher + ENDINGS + " " + way + " 2>&1";
  const auto begin = std::chrono::steady_clock::now();
  Ending result;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> text{};
  while (fgets(text.data(), text.size(), pipe) != nullptr) result.output += text.data();
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.seconds_after_event = seconds_after_event(result.output);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

TEST(Endings, TheProgramsOwnCodeReachesTheShell) {
  EXPECT_EQ(ending(2, "fine").code, 0);
  EXPECT_EQ(ending(2, "code").code, 75);
}

TEST(Endings, AUsageErrorIsTwo) {
  const Ending usage = ending(2, "usage");
  EXPECT_EQ(usage.code, 2);
  EXPECT_THAT(usage.output, ContainsRegex("\\[rank [01] of 2\\] a flag"));
  EXPECT_EQ(ending(0, "usage").code, 2);
}

TEST(Endings, AnExceptionOnOneRankEndsTheOthers) {
  const Ending data = ending(3, "data");
  EXPECT_EQ(data.code, 3);
  EXPECT_THAT(data.output, AllOf(HasSubstr("[rank 2 of 3] a file"),
                                 HasSubstr("where: rank 2 of 3, endings.cpp")));
  const Ending thrown = ending(3, "throw");
  EXPECT_EQ(thrown.code, 1);
  EXPECT_THAT(thrown.output, HasSubstr("[rank 2 of 3] cannot go on"));
  EXPECT_LT(thrown.seconds, 30);
}

TEST(Endings, AnExceptionThatLeavesTheWorldEndsTheOthersToo) {
  const Ending unwound = ending(2, "unwound");
  EXPECT_NE(unwound.code, 0);
  EXPECT_THAT(unwound.output, HasSubstr("past the World"));
  EXPECT_LT(unwound.seconds, 30);
}

TEST(Endings, ARankThatNeverCallsEndsTheJobAtTheDeadlineWithFour) {
  const Ending missing = ending(2, "missing", "LOCKSTEP_TIMEOUT=1");
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(
      missing.output,
      AllOf(HasSubstr("[rank 0 of 2] barrier #2 not finished after 1 s"),
            ContainsRegex("fix:   rank 1 \\(host .*, pid [0-9]+\\) never arrived; its last op "
                          "was broadcast #1 \\(.*\\) at .*, finished [0-9.]+ s ago; where ranks"),
            HasSubstr("where: rank 0 of 2, cpu, transport shm, endings.cpp:")));
  EXPECT_LT(missing.seconds, 30);
}

TEST(Endings, ARankThatLeavesEarlyEndsTheJobWithFour) {
  // Its own farewell barrier meets the others' barrier; theirs is one short.
  EXPECT_EQ(ending(2, "early", "LOCKSTEP_TIMEOUT=1").code, 4);
}

TEST(Endings, AFailureThatTheProgramCaughtStillEndsTheJobWithFour) {
  EXPECT_EQ(ending(2, "caught", "LOCKSTEP_TIMEOUT=1").code, 4);
}

int count_of(const std::string& what, const std::string& text) {
  int count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// 1.5 s are promised; a crowded machine gets more to start and to end processes.
constexpr double soon = 5;

class Disturbed : public testing::TestWithParam<std::string> {};

TEST_P(Disturbed, EndsAllRanksSoonWithOneFirstCause) {
  const std::string way = GetParam();
  const Ending result = ending(3, way);
  std::printf("%s: over %.2f s after the event, code %d\n", way.c_str(), result.seconds_after_event,
              result.code);
  EXPECT_NE(result.code, 0);
  EXPECT_GT(result.seconds_after_event, 0) << result.output;
  EXPECT_LT(result.seconds_after_event, soon) << result.output;
  if (way.starts_with("throw")) {
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.output, HasSubstr("[rank 2 of 3] cannot go on"));
  } else {
    EXPECT_THAT(result.output, ContainsRegex("rank 2 \\(host .*, pid [0-9]+\\) died"));
  }
  EXPECT_EQ(count_of("of 3] ", result.output), 1) << "more than the first cause: " << result.output;
}

INSTANTIATE_TEST_SUITE_P(Endings, Disturbed,
                         testing::Values("kill-compute", "kill-barrier", "kill-work",
                                         "exit-compute", "exit-barrier", "quit-work",
                                         "throw-compute", "throw-barrier", "throw-work"),
                         [](const auto& each) {
                           std::string name = each.param;
                           name[name.find('-')] = '_';
                           return name;
                         });

TEST(Endings, AStoppedRankIsNamedAtTheDeadline) {
  const Ending stopped = ending(2, "stop-barrier", "LOCKSTEP_TIMEOUT=4");
  EXPECT_EQ(stopped.code, 4);
  EXPECT_THAT(stopped.output,
              ContainsRegex("rank 1 \\(host .*, pid [0-9]+, stopped\\) never arrived; its last op "
                            "was barrier #2"));
  EXPECT_LT(stopped.seconds, 30);
}

TEST(Endings, ARankThatIsBusyElsewhereIsNamedWithWhatItDoes) {
  const Ending busy = ending(2, "load-barrier", "LOCKSTEP_TIMEOUT=2");
  EXPECT_EQ(busy.code, 4);
  EXPECT_THAT(
      busy.output,
      ContainsRegex("rank 1 \\(host .*, pid [0-9]+\\) never arrived; its last op was barrier "
                    "#2 .* finished [0-9.]+ s ago; it is in loader.next for [0-9.]+ s;"));
}

TEST(Endings, AFlightFolderThatDoesNotAnswerKeepsNobody) {
  const Scratch scratch;
  const std::string folder = (scratch / "flight").string();
  const Ending stuck =
      ending(2, "folder-barrier", "LOCKSTEP_TIMEOUT=2 LOCKSTEP_FLIGHT_DIR=" + folder);
  EXPECT_EQ(stuck.code, 4);
  EXPECT_THAT(stuck.output, AllOf(HasSubstr("[rank 0 of 2] barrier #3 not finished after 2 s"),
                                  HasSubstr(folder + " does not answer within 1 s")));
  EXPECT_LT(stuck.seconds, 30);
}

// What lockstep-info tells from the flight files of a job that ended in `way`.
std::string culprit_of(const std::string& way) {
  const Scratch scratch;
  const std::string folder = (scratch / "flight").string();
  ending(3, way, "LOCKSTEP_TIMEOUT=4 LOCKSTEP_FLIGHT_DIR=" + folder);
  const Outcome told =
      run_command(std::string(LOCKSTEP_PROGRAMS) + "/lockstep-info --flight " + folder);
  EXPECT_EQ(told.exit_code, 0) << told.err;
  const auto at = told.out.find("Culprit: ");
  return at == std::string::npos ? told.out : told.out.substr(at);
}

TEST(Endings, TheFlightFilesNameTheCulprit) {
  EXPECT_THAT(culprit_of("kill-barrier"), HasSubstr("rank 2, without a file"));
  EXPECT_THAT(culprit_of("throw-work"), ContainsRegex("rank 2 .*, which failed by itself"));
  EXPECT_THAT(culprit_of("stop-barrier"), HasSubstr("rank 2 never made barrier #3"));
  EXPECT_THAT(culprit_of("load-barrier"),
              ContainsRegex("rank 2 never made barrier #3 .*; it was in loader.next"));
}

TEST(Endings, ARankThatNeverStartsMpiEndsTheOthersInTheirStart) {
  const Ending alone = ending(2, "alone", "LOCKSTEP_TIMEOUT=1");
  EXPECT_EQ(alone.code, 4);
  EXPECT_THAT(alone.output, HasSubstr("joining the job not finished after 30 s"));
}

TEST(Endings, AProgramThatInitialisedMpiKeepsIt) {
  const Ending guest = ending(2, "guest");
  EXPECT_EQ(guest.code, 0);
  EXPECT_THAT(guest.output, HasSubstr("guest of 2"));
}

TEST(Endings, APlainProcessIsAWorldOfOneWithoutMpi) {
  EXPECT_THAT(ending(0, "size").output, HasSubstr("size 1 over self"));
  EXPECT_THAT(ending(2, "size").output, HasSubstr("size 2 over shm"));
}

TEST(Endings, MoreRanksThanCoresAreWarnedAboutOnceAndGoOn) {
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const Ending crowded = ending(cores + 1, "fine");
  EXPECT_EQ(crowded.code, 0);
  const std::string warning =
      std::to_string(cores + 1) + " ranks share the " + std::to_string(cores) + " cores";
  EXPECT_THAT(crowded.output, HasSubstr(warning));
  EXPECT_EQ(crowded.output.find(warning), crowded.output.rfind(warning)) << "warned twice";
  EXPECT_THAT(ending(1, "fine").output, Not(HasSubstr("share the")));
}

}  // namespace
}  // namespace lockstep::tests
