#include "lockstep/obs/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <regex>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"

namespace lockstep::obs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using tests::message_of;
using tests::Scratch;
using tests::text_of;

Figure figure_of(std::vector<Series> series) {
  return {.title = "run", .panels = {{"Loss", "epoch", "loss", std::move(series)}}};
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

// Every opened element is closed in order, and nothing stands outside of elements but text.
bool is_well_formed(const std::string& svg) {
  static const std::regex tag(R"(<(/?)([a-z]+)((?:\s+[\w-]+="[^"<]*")*)\s*(/?)>)");
  std::vector<std::string> open;
  std::string rest;
  auto at = svg.cbegin();
  for (std::sregex_iterator i(svg.begin(), svg.end(), tag), end; i != end; ++i) {
    rest.append(at, (*i)[0].first);
    at = (*i)[0].second;
    if (!(*i)[1].str().empty()) {
      if (open.empty() || open.back() != (*i)[2].str()) return false;
      open.pop_back();
    } else if ((*i)[4].str().empty()) {
      open.push_back((*i)[2].str());
    }
  }
  return open.empty() && rest.find('<') == std::string::npos;
}

TEST(NiceTicks, AreRoundAndCoverTheRange) {
  EXPECT_THAT(nice_ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  std::mt19937 random(3);
  for (int i = 0; i < 1000; ++i) {
    const double scale = std::pow(10.0, std::uniform_real_distribution(-8.0, 8.0)(random));
    const double a = std::uniform_real_distribution(-1.0, 1.0)(random) * scale;
    const double b = a + std::uniform_real_distribution(0.01, 1.0)(random) * scale;
    const auto ticks = nice_ticks(a, b, 5);
    const double step = ticks[1] - ticks[0];
    EXPECT_LE(ticks.front(), a + step * 1e-6);
    EXPECT_GE(ticks.back(), b - step * 1e-6);
    EXPECT_GE(ticks.size(), 3U);
    EXPECT_LE(ticks.size(), 8U);
    const double digit = step / std::pow(10.0, std::floor(std::log10(step) + 1e-9));
    EXPECT_TRUE(std::abs(digit - 1) < 1e-6 || std::abs(digit - 2) < 1e-6 ||
                std::abs(digit - 5) < 1e-6)
        << step;
  }
}

TEST(Svg, IsWellFormedAndSelfContained) {
  const std::string svg =
      svg_of(figure_of({{"train", {1, 2, 3}, {3, 2, 1}}, {"test", {1, 2}, {2, 2}}}));
  EXPECT_TRUE(is_well_formed(svg)) << svg;
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_EQ(count(svg, "http"), 1U) << "the namespace alone";
  EXPECT_THAT(svg, HasSubstr(">train</text>"));
  EXPECT_THAT(svg, HasSubstr(">test</text>"));
}

TEST(Svg, EscapesTexts) {
  Figure figure = figure_of({{"a<b", {1}, {1}}, {"\"&\"", {1}, {1}}});
  figure.title = "<script>";
  const std::string svg = svg_of(figure);
  EXPECT_TRUE(is_well_formed(svg)) << svg;
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(svg, HasSubstr("&quot;&amp;&quot;"));
}

TEST(Svg, LeavesGapsForNumbersThatAreNotFinite) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string svg =
      svg_of(figure_of({{"loss", {1, 2, 3, 4, 5}, {1, 2, std::nan(""), 3, infinity}}}));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  std::smatch path;
  ASSERT_TRUE(std::regex_search(svg, path, std::regex("class=\"line c0\" d=\"([^\"]*)\"")));
  EXPECT_EQ(count(path[1].str(), "M"), 2U);
}

TEST(Svg, SurvivesEmptyAndConstantSeries) {
  for (const Series& series :
       {Series{"none", {}, {}}, Series{"one", {5}, {0}}, Series{"flat", {1, 2}, {3, 3}},
        Series{"nan", {1}, {std::nan("")}}, Series{"huge", {1, 2}, {1e300, -1e300}}}) {
    const std::string svg = svg_of(figure_of({series}));
    EXPECT_TRUE(is_well_formed(svg)) << series.name;
    EXPECT_THAT(svg, Not(HasSubstr("nan\""))) << series.name;
  }
  EXPECT_TRUE(is_well_formed(svg_of({})));
}

TEST(Svg, StaysSmallHoweverManyPointsThereAre) {
  Series series{"loss", {}, {}};
  std::mt19937 random(5);
  for (int i = 0; i < 200'000; ++i) {
    series.x.push_back(i);
    series.y.push_back(std::normal_distribution()(random));
  }
  series.y[777] = 50;
  const std::string svg = svg_of(figure_of({series}));
  EXPECT_LT(svg.size(), 60'000U);
  EXPECT_THAT(svg, HasSubstr(">60</text>")) << "the highest point counts";
}

TEST(Svg, RefusesASeriesWithMoreXThanY) {
  const std::string text = message_of<UsageError>([] {
    svg_of(figure_of({{"loss", {1, 2}, {1}}}));
  });
  EXPECT_THAT(text, HasSubstr("series \"loss\" has 2 x and 1 y"));
  EXPECT_THAT(text, HasSubstr("fix:   give as many x as y"));
}

TEST(Svg, IsWrittenWhole) {
  const Scratch scratch;
  write_svg(figure_of({}), scratch / "new/curves.svg");
  EXPECT_EQ(text_of(scratch / "new/curves.svg"), svg_of(figure_of({})));
  EXPECT_FALSE(std::filesystem::exists(scratch / "new/curves.svg.tmp"));
  std::filesystem::create_directory(scratch / "folder");
  EXPECT_THAT(message_of<IoError>([&] { write_svg(figure_of({}), scratch / "folder"); }),
              HasSubstr((scratch / "folder").string() + ": "));
}

}  // namespace
}  // namespace lockstep::obs
