#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "lockstep/version.h"
#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

const std::string info = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-info";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(Info, ShowsVersionsBackendsProcessorAndJob) {
  const Outcome outcome = run_command(info);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::StartsWith(std::string("lockstep ") + version() + "\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("  MPI +Open MPI"));
  EXPECT_THAT(outcome.out, ContainsRegex("\n  cpu +[^n]"));
  EXPECT_THAT(
      outcome.out,
      ContainsRegex("\n  cuda +(not available: .*liblockstep_cuda.so: |CUDA [0-9]+\\.[0-9])"));
  EXPECT_THAT(outcome.out, ContainsRegex("\n  model +[^ ]"));
  EXPECT_THAT(outcome.out, HasSubstr("1 over self\n"));
  EXPECT_THAT(outcome.out, HasSubstr("LOCKSTEP_TIMEOUT"));
}

TEST(Info, SaysWhyABackendIsNotThere) {
  const Outcome outcome = run_command("LOCKSTEP_CPU_PLUGIN=/nowhere/kernels.so " + info);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ContainsRegex("\n  cpu +not available: [^\n]*/nowhere/kernels.so"));
}

TEST(Info, PrintsOnceForAllRanks) {
  const Outcome outcome = run_on_ranks(2, info);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(count(outcome.out, "Backends"), 1U);
  EXPECT_THAT(outcome.out, HasSubstr("2 over shm\n"));
  EXPECT_THAT(outcome.out, HasSubstr(": 2 ranks\n"));
}

TEST(Info, RefusesMistakesOnceForAllRanksWithExitCode2) {
  const Outcome outcome = run_on_ranks(2, info + " --verbos");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(count(outcome.err, "unknown flag --verbos\n"), 1U) << outcome.err;
}

TEST(Info, RefusesAnUnknownVariableWithExitCode2) {
  const Outcome outcome = run_command("LOCKSTEP_TIMOUT=3 " + info);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "lockstep-info: environment: LOCKSTEP_TIMOUT is set, but nothing reads it\n"
            "  where: environment\n"
            "  fix:   did you mean LOCKSTEP_TIMEOUT? Otherwise unset it\n");
}

TEST(Info, RefusesABadValueWithExitCode2) {
  const Outcome outcome = run_command("LOCKSTEP_LOG=loud " + info);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("LOCKSTEP_LOG=loud is not a level"));
  EXPECT_THAT(outcome.err, HasSubstr("fix:   give debug, info, warning or error\n"));
}

TEST(Info, ShowsHelpWithoutJoiningAJob) {
  const Outcome outcome = run_command(info + " --help");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("Usage: lockstep-info [flags]"));
}

TEST(Info, SaysWhatAFolderWithoutFlightFilesLacks) {
  const Scratch scratch;
  const Outcome outcome = run_command(info + " --flight " + scratch.folder().string());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("holds no .flight.jsonl file"));
  EXPECT_THAT(outcome.err, HasSubstr("LOCKSTEP_FLIGHT_DIR"));
}

}  // namespace
}  // namespace lockstep::tests
