#include "lockstep/comm/flight_record.h"

#include <gtest/gtest.h>

#include "lockstep/obs/trace.h"

namespace lockstep::comm {
namespace {

Call call(std::uint64_t sequence) {
  Call made;
  made.op = Op::broadcast;
  made.sequence = sequence;
  made.root = static_cast<int>(sequence % 3);
  return made;
}

TEST(FlightRecord, KeepsTheMostRecentCallsOldestFirst) {
  FlightRecord record(4);
  for (std::uint64_t sequence = 1; sequence <= 10; ++sequence) record.start(call(sequence));
  const auto entries = record.entries();
  ASSERT_EQ(entries.size(), 4U);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(entries[i].sequence, 7 + i);
    EXPECT_EQ(entries[i].root, static_cast<int>((7 + i) % 3));
  }
}

TEST(FlightRecord, MarksWhatFinishedAndForgetsWhatLeftTheRing) {
  FlightRecord record(2);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) record.start(call(sequence));
  record.finish(1);
  record.finish(3);
  const auto entries = record.entries();
  EXPECT_FALSE(entries[0].is_finished);
  EXPECT_TRUE(entries[1].is_finished);
  EXPECT_GE(entries[1].finished, entries[1].started);
}

TEST(FlightRecord, LeavesATraceOfWhatFinished) {
  obs::clear_trace();
  FlightRecord record(2);
  Call made = call(1);
  made.out.count = 7;
  made.out.dtype = DType::f64;
  record.start(made);
  EXPECT_TRUE(obs::recent_events(1).empty());
  record.finish(1);
  const auto events = obs::recent_events(1);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_STREQ(events[0].name, "broadcast");
  EXPECT_EQ(events[0].bytes, 56);
  EXPECT_EQ(events[0].number, 1);
  EXPECT_LE(events[0].begin, events[0].end);
}

TEST(Call, DescribesItselfWithNumberReductionAndSize) {
  Call made = call(12);
  made.out.count = 7;
  EXPECT_EQ(made.description(), "broadcast #12 (f32 x 7)");
  made.op = Op::reduce_scatter;
  made.reduce = Reduce::mean;
  made.in.emplace_back(nullptr, 28, DType::f32);
  made.sequence = 0;
  EXPECT_EQ(made.description(), "reduce_scatter (mean, f32 x 28)");
}

}  // namespace
}  // namespace lockstep::comm
