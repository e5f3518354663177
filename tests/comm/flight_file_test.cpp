#include "src/comm/flight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "src/comm/flight_recorder.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"

namespace lockstep::comm {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Flight sample() {
  return {.rank = 2,
          .size = 3,
          .host = "a",
          .pid = 12,
          .activity = "loader.next",
          .failures = {{FailureKind::call, 1.5, "barrier #2 not finished\n  fix: \"x\" \xff"},
                       {FailureKind::others, 2.5, "rank 0 died"}},
          .groups = {{.id = 0,
                      .name = "",
                      .transport = "shm",
                      .rank = 2,
                      .size = 3,
                      .calls = {{1, false, "barrier #1", "train.cpp:3", 0.5, 0.75},
                                {2, false, "barrier #2", "train.cpp:4", 1.25, std::nullopt}}},
                     {.id = ~std::uint64_t{0},
                      .name = "split #5, color 1",
                      .transport = "mpi",
                      .rank = 0,
                      .size = 1,
                      .calls = {}}}};
}

TEST(FlightFile, IsReadAsItWasWritten) {
  const Flight read = flight_from(encoded(sample()), "x");
  EXPECT_EQ(read.rank, 2);
  EXPECT_EQ(read.size, 3);
  EXPECT_EQ(read.activity, "loader.next");
  ASSERT_EQ(read.failures.size(), 2U);
  EXPECT_EQ(read.failures[0].kind, FailureKind::call);
  EXPECT_EQ(read.failures[0].time, 1.5);
  EXPECT_THAT(read.failures[0].why, HasSubstr("finished\n  fix: \"x\" "));
  EXPECT_EQ(read.failures[1].kind, FailureKind::others);
  ASSERT_EQ(read.groups.size(), 2U);
  EXPECT_EQ(read.groups[1].id, ~std::uint64_t{0});
  EXPECT_EQ(read.groups[1].name, "split #5, color 1");
  ASSERT_EQ(read.groups[0].calls.size(), 2U);
  EXPECT_EQ(read.groups[0].calls[0].finished, 0.75);
  EXPECT_EQ(read.groups[0].calls[1].call, "barrier #2");
  EXPECT_FALSE(read.groups[0].calls[1].finished);
}

TEST(FlightFile, CutOffAnywhereIsAnErrorThatNamesIt) {
  const std::string text = encoded(sample());
  for (std::size_t length = 0; length < text.size(); ++length) {
    try {
      static_cast<void>(flight_from(text.substr(0, length), "folder/file"));
      FAIL() << "taken with " << length << " bytes";
    } catch (const IoError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("flight: folder/file: "), HasSubstr("fix:")));
    }
  }
}

TEST(FlightFile, OfAnotherKindOrVersionIsRefused) {
  const auto message = [](const std::string& text) {
    try {
      static_cast<void>(flight_from(text, "f"));
    } catch (const IoError& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  EXPECT_THAT(message("{\"format\":\"another\"}\n"), HasSubstr("it is no flight file"));
  EXPECT_THAT(message("{\"format\":\"lockstep flight\",\"version\":2}\n"),
              HasSubstr("it has version 2, not 1"));
  EXPECT_THAT(message("[1]\n"), HasSubstr("f: "));
}

TEST(FlightFile, WithAnyDamageIsReadOrRefused) {
  const std::string text = encoded(sample());
  std::mt19937 random(7);
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string damaged = text;
    for (unsigned change = 0; change <= random() % 4; ++change)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    try {
      static_cast<void>(flight_from(damaged, "f"));
    } catch (const IoError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

class FlightRecorder : public testing::Test {
 protected:
  void SetUp() override { ::setenv("LOCKSTEP_FLIGHT_DIR", folder().c_str(), 1); }
  void TearDown() override { ::unsetenv("LOCKSTEP_FLIGHT_DIR"); }
  std::filesystem::path folder() const { return scratch_ / "flight"; }

 private:
  tests::Scratch scratch_;
};

TEST_F(FlightRecorder, WritesTheCallsOfEveryCommunicatorAfterAFailure) {
  prepare_flight_folder(0, 1);
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
  auto ranks = self();
  ranks->barrier();
  ranks->poison("enough");
  const auto flights = flights_in(folder());
  ASSERT_EQ(flights.size(), 1U);
  ASSERT_FALSE(flights[0].failures.empty());
  EXPECT_THAT(flights[0].failures[0].why, HasSubstr("enough"));
  EXPECT_EQ(flights[0].failures[0].kind, FailureKind::own);
  ASSERT_EQ(flights[0].groups.size(), 1U);
  ASSERT_EQ(flights[0].groups[0].calls.size(), 1U);
  EXPECT_EQ(flights[0].groups[0].calls[0].call, "barrier #1");
  EXPECT_THAT(flights[0].groups[0].calls[0].site, HasSubstr("flight_file_test.cpp:"));
  EXPECT_TRUE(flights[0].groups[0].calls[0].finished);
}

TEST_F(FlightRecorder, RemovesWhatAnEarlierJobLeft) {
  std::filesystem::create_directories(folder());
  for (const char* name : {"rank00000.flight.jsonl", "rank00007.flight.jsonl",
                           "process12.flight.jsonl", "rank00001.flight.jsonl", "notes.txt"})
    std::ofstream(folder() / name) << "old\n";
  prepare_flight_folder(0, 2);
  EXPECT_FALSE(std::filesystem::exists(folder() / "rank00000.flight.jsonl"));
  EXPECT_FALSE(std::filesystem::exists(folder() / "rank00007.flight.jsonl"));
  EXPECT_FALSE(std::filesystem::exists(folder() / "process12.flight.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(folder() / "rank00001.flight.jsonl"));  // rank 1's to remove
  EXPECT_TRUE(std::filesystem::exists(folder() / "notes.txt"));
}

TEST_F(FlightRecorder, RefusesAFolderThatCannotBeAtTheStart) {
  std::ofstream(folder()) << "a file";
  EXPECT_THAT(tests::message_of<IoError>([] { prepare_flight_folder(0, 1); }),
              AllOf(HasSubstr(folder().string()), HasSubstr("fix: ")));
}

TEST_F(FlightRecorder, NamesAFolderWithoutFlights) {
  const auto complaint = [](const std::filesystem::path& from) {
    return tests::message_of<IoError>([&] { static_cast<void>(flights_in(from)); });
  };
  EXPECT_THAT(complaint(folder() / "nowhere"),
              AllOf(HasSubstr("nowhere: No such file or directory"),
                    HasSubstr("fix:   give the folder that LOCKSTEP_FLIGHT_DIR named")));
  std::filesystem::create_directories(folder());
  EXPECT_THAT(complaint(folder()), HasSubstr("holds no .flight.jsonl file"));
}

}  // namespace
}  // namespace lockstep::comm
