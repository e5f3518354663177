#include "lockstep/obs/metrics.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <random>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"

namespace lockstep::obs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::message_of;
using tests::Scratch;
using tests::text_of;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

TEST(MetricsWriter, WritesCsvAndJsonLinesRowByRow) {
  const Scratch scratch;
  MetricsWriter metrics(scratch / "run", {"step", "loss", "accuracy"});
  metrics.write({{"step", 1}, {"loss", 0.25}});
  EXPECT_EQ(text_of(metrics.csv()), "step,loss,accuracy\n1,0.25,\n");
  EXPECT_EQ(text_of(metrics.jsonl()), "{\"step\": 1, \"loss\": 0.25}\n");
  metrics.write({{"accuracy", 0.905}, {"step", 2}});
  EXPECT_EQ(text_of(metrics.csv()), "step,loss,accuracy\n1,0.25,\n2,,0.905\n");
  EXPECT_THAT(text_of(metrics.jsonl()), HasSubstr("\n{\"step\": 2, \"accuracy\": 0.905}\n"));
}

TEST(MetricsWriter, KeepsJsonValidWhenANumberIsNotFinite) {
  const Scratch scratch;
  MetricsWriter metrics(scratch.folder(), {"loss"});
  metrics.write({{"loss", not_a_number}});
  EXPECT_EQ(text_of(metrics.csv()), "loss\nnan\n");
  EXPECT_EQ(text_of(metrics.jsonl()), "{\"loss\": null}\n");
}

TEST(MetricsWriter, AppendsAfterAHalfWrittenRow) {
  const Scratch scratch;
  { MetricsWriter(scratch.folder(), {"step", "loss"}).write({{"step", 1}, {"loss", 2}}); }
  std::ofstream(scratch / "metrics.csv", std::ios::app) << "2,0.";
  std::ofstream(scratch / "metrics.jsonl", std::ios::app) << "{\"step\"";
  MetricsWriter metrics(scratch.folder(), {"step", "loss"}, MetricsMode::append);
  metrics.write({{"step", 2}, {"loss", 1}});
  EXPECT_EQ(text_of(metrics.csv()), "step,loss\n1,2\n2,1\n");
  EXPECT_EQ(text_of(metrics.jsonl()), "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"loss\": 1}\n");
}

TEST(MetricsWriter, RefusesToAppendToOtherColumns) {
  const Scratch scratch;
  { MetricsWriter(scratch.folder(), {"step", "loss"}); }
  const std::string text = message_of<IoError>([&] {
    MetricsWriter(scratch.folder(), {"step", "speed"}, MetricsMode::append);
  });
  EXPECT_THAT(text, HasSubstr("has the columns step,loss, this run writes step,speed"));
  EXPECT_THAT(text, HasSubstr("fix:   choose another folder, or remove that file"));
}

TEST(MetricsWriter, RefusesAnUnknownColumnByName) {
  const Scratch scratch;
  MetricsWriter metrics(scratch.folder(), {"step", "loss"});
  const std::string text = message_of<UsageError>([&] { metrics.write({{"lost", 1}}); });
  EXPECT_THAT(text, HasSubstr("no column \"lost\""));
  EXPECT_THAT(text, HasSubstr("fix:   use one of step, loss"));
}

TEST(MetricsWriter, RefusesColumnsThatAFileCannotHold) {
  const Scratch scratch;
  for (const auto& columns : {std::vector<std::string>{"a,b"}, {"a", "a"}}) {
    const std::string text =
        message_of<UsageError>([&] { MetricsWriter(scratch.folder(), columns); });
    EXPECT_THAT(text, HasSubstr("MetricsWriter: \"" + columns[0] + "\" cannot be a column"));
    EXPECT_THAT(text, HasSubstr("fix:   give each column its own name"));
  }
}

TEST(MetricsWriter, NamesTheFileAndTheReasonWhereItCannotWrite) {
  const Scratch scratch;
  std::ofstream(scratch / "file") << "in the way";
  const std::string text = message_of<IoError>([&] { MetricsWriter(scratch / "file", {"loss"}); });
  EXPECT_THAT(text, HasSubstr((scratch / "file").string()));
  EXPECT_THAT(text, HasSubstr("fix:   choose another path, or move what is there"));
}

TEST(MetricsWriter, ReportsAFileThatMayGrowNoFurther) {
  const Scratch scratch;
  MetricsWriter metrics(scratch.folder(), {"loss"});
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{64, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  const std::string text = message_of<IoError>([&] {
    for (double i = 0; i < 100; ++i) metrics.write({{"loss", i}});
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(text, HasSubstr("writing " + metrics.jsonl().string() + ": File too large"));
  EXPECT_THAT(text, HasSubstr("fix:   "));
}

TEST(MetricsTable, ReadsBackExactlyWhatWasWritten) {
  const Scratch scratch;
  MetricsWriter metrics(scratch.folder(), {"x", "y"});
  std::mt19937_64 random(7);
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) {
    values.push_back(std::ldexp(std::uniform_real_distribution(-1.0, 1.0)(random),
                                static_cast<int>(random() % 200) - 100));
    metrics.write({{"x", values.back()}});
  }
  const MetricsTable table = read_metrics(metrics.csv());
  EXPECT_THAT(table.columns, ElementsAre("x", "y"));
  EXPECT_EQ(table.column("x"), values);
  EXPECT_TRUE(std::isnan(table.column("y")[0]));
  const std::string text = message_of<UsageError>([&] { table.column("z"); });
  EXPECT_THAT(text, HasSubstr("MetricsTable::column: no column \"z\""));
  EXPECT_THAT(text, HasSubstr("fix:   use one of x, y"));
}

TEST(MetricsTable, NamesTheLineThatIsNotANumber) {
  const Scratch scratch;
  std::ofstream(scratch / "metrics.csv") << "a,b\n1,2\n1,two\n";
  EXPECT_THAT(message_of<IoError>([&] { read_metrics(scratch / "metrics.csv"); }),
              HasSubstr("metrics.csv:3: \"two\" is not a number"));
  std::ofstream(scratch / "metrics.csv") << "a,b\n1\n";
  EXPECT_THAT(message_of<IoError>([&] { read_metrics(scratch / "metrics.csv"); }),
              HasSubstr("metrics.csv:2: 1 cells, but 2 columns"));
  EXPECT_THAT(message_of<IoError>([&] { read_metrics(scratch / "none.csv"); }),
              HasSubstr("No such file"));
}

}  // namespace
}  // namespace lockstep::obs
