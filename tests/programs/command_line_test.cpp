#include "src/programs/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "lockstep/version.h"
#include "tests/support/environment.h"

namespace lockstep::programs {
namespace {

using testing::HasSubstr;
using tests::Environment;

// What a program with a flag of every kind makes of its arguments.
struct Parsed {
  std::optional<int> exit_code;
  std::string out;
  std::string err;
  int steps = 50;
  int threads = 1;
  double rate = 0.1;
  bool is_solo = false;
  std::string workload = "mlp";
  std::string file;
};

Parsed parse(std::vector<std::string> arguments) {
  Parsed result;
  CommandLine line("program", "Does something.");
  line.add({.name = "--workload", .meaning = "model", .choices = {"mlp", "cnn"}}, result.workload);
  line.add({.name = "--steps", .meaning = "steps that are timed", .low = 1}, result.steps);
  line.add({.name = "--threads",
            .meaning = "threads of each rank",
            .environment = "LOCKSTEP_THREADS",
            .low = 1,
            .high = 64},
           result.threads);
  line.add({.name = "--rate", .meaning = "learning rate"}, result.rate);
  line.add({.name = "--solo", .meaning = "independent ranks"}, result.is_solo);
  line.add({.name = "--json", .meaning = "write figures", .value = "FILE"}, result.file);
  std::vector<char*> argv{const_cast<char*>("program")};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  result.exit_code = line.parse(static_cast<int>(argv.size()), argv.data());
  result.err = testing::internal::GetCapturedStderr();
  result.out = testing::internal::GetCapturedStdout();
  return result;
}

void expect_refused(const std::vector<std::string>& arguments, const std::string& what,
                    const std::string& where, const std::string& fix) {
  const Parsed parsed = parse(arguments);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.out, "");
  EXPECT_EQ(parsed.err, "program: " + what + "\n  where: " + where + "\n  fix:   " + fix + "\n");
}

TEST(CommandLine, KeepsDefaultsWhereNothingIsGiven) {
  const Parsed parsed = parse({});
  EXPECT_EQ(parsed.exit_code, std::nullopt);
  EXPECT_EQ(parsed.steps, 50);
  EXPECT_EQ(parsed.threads, 1);
  EXPECT_EQ(parsed.workload, "mlp");
  EXPECT_FALSE(parsed.is_solo);
}

TEST(CommandLine, ReadsEveryKindOfFlag) {
  const Parsed parsed =
      parse({"--steps", "7", "--rate=1e-3", "--solo", "--workload", "cnn", "--json", "out.json"});
  EXPECT_EQ(parsed.exit_code, std::nullopt) << parsed.err;
  EXPECT_EQ(parsed.steps, 7);
  EXPECT_EQ(parsed.rate, 1e-3);
  EXPECT_TRUE(parsed.is_solo);
  EXPECT_EQ(parsed.workload, "cnn");
  EXPECT_EQ(parsed.file, "out.json");
}

TEST(CommandLine, TakesTheLastOfARepeatedFlag) {
  EXPECT_EQ(parse({"--steps", "7", "--steps", "9"}).steps, 9);
}

TEST(CommandLine, PrefersAFlagToTheEnvironmentAndThatToTheDefault) {
  const Environment threads("LOCKSTEP_THREADS", "4");
  EXPECT_EQ(parse({}).threads, 4);
  EXPECT_EQ(parse({"--threads", "2"}).threads, 2);
}

TEST(CommandLine, RefusesAnUnknownFlagAndNamesTheNearest) {
  const std::string help = "program --help lists the flags";
  expect_refused({"--stepz", "3"}, "unknown flag --stepz", "command line",
                 "did you mean --steps? " + help);
  expect_refused({"--stepz=3"}, "unknown flag --stepz", "command line",
                 "did you mean --steps? " + help);
  expect_refused({"--versoin"}, "unknown flag --versoin", "command line",
                 "did you mean --version? " + help);
  expect_refused({"--quantize-everything"}, "unknown flag --quantize-everything", "command line",
                 help);
  expect_refused({"three"}, "unexpected argument \"three\"", "command line", help);
}

TEST(CommandLine, RefusesBadValuesWithTheRangeThatIsAllowed) {
  expect_refused({"--steps", "many"}, "--steps many is not a whole number of at least 1",
                 "command line", "give a whole number of at least 1");
  expect_refused({"--steps", "0"}, "--steps 0 is not a whole number of at least 1", "command line",
                 "give a whole number of at least 1");
  expect_refused({"--steps", "99999999999"},
                 "--steps 99999999999 is not a whole number of at least 1", "command line",
                 "give a whole number of at least 1");
  expect_refused({"--rate", "fast"}, "--rate fast is not a number", "command line",
                 "give a number");
  expect_refused({"--workload", "lenet"}, "--workload lenet is not known", "command line",
                 "give one of mlp, cnn");
  expect_refused({"--json"}, "--json needs a value", "command line",
                 "program --help shows how each flag is used");
}

TEST(CommandLine, RefusesABadValueInTheEnvironment) {
  const Environment threads("LOCKSTEP_THREADS", "65");
  expect_refused({}, "LOCKSTEP_THREADS=65 is not a whole number from 1 to 64", "environment",
                 "give a whole number from 1 to 64");
}

TEST(CommandLine, RefusesAnUnknownVariableAndNamesTheNearest) {
  const Environment misspelt("LOCKSTEP_TIMEOUTS", "5");
  expect_refused({}, "environment: LOCKSTEP_TIMEOUTS is set, but nothing reads it", "environment",
                 "did you mean LOCKSTEP_TIMEOUT? Otherwise unset it");
}

TEST(CommandLine, ShowsFlagsDefaultsVariablesAndExitCodesInItsHelp) {
  const Parsed parsed = parse({"--help"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_EQ(parsed.err, "");
  EXPECT_THAT(parsed.out, testing::StartsWith("Does something.\nUsage: program [flags]\n"));
  EXPECT_THAT(parsed.out, HasSubstr("  --workload NAME                 model: mlp, cnn [mlp]\n"));
  EXPECT_THAT(parsed.out,
              HasSubstr("  --steps N                       steps that are timed [50]\n"));
  EXPECT_THAT(parsed.out, HasSubstr("  --json FILE                     write figures\n"));
  EXPECT_THAT(
      parsed.out,
      HasSubstr("LOCKSTEP_TIMEOUT                seconds that a collective may take [300]\n"));
  EXPECT_THAT(parsed.out, HasSubstr("2 wrong usage"));
}

TEST(CommandLine, PrintsItsVersion) {
  const Parsed parsed = parse({"--version"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_EQ(parsed.out, std::string("program ") + version() + "\n");
}

TEST(CommandLine, IsSilentOnOtherRanks) {
  const Environment rank("OMPI_COMM_WORLD_RANK", "1");
  const Parsed help = parse({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.out, "");
  const Parsed mistake = parse({"--stepz"});
  EXPECT_EQ(mistake.exit_code, 2);
  EXPECT_EQ(mistake.err, "");
}

}  // namespace
}  // namespace lockstep::programs
