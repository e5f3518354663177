// Line charts as self-contained SVG files that suit light and dark pages.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lockstep::obs {

// Points (x[i], y[i]) joined in order. A NaN or infinite y leaves a gap.
struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

struct Panel {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::vector<Series> series = {};
};

// Panels stand side by side. Any number of points: what a pixel column hides is left out of the
// file.
struct Figure {
  std::string title = {};
  std::vector<Panel> panels = {};
  int panel_width = 440;
  int panel_height = 300;
};

// UsageError where a series has not as many x as y.
std::string svg_of(const Figure& figure);
// Written beside `file` and renamed, so that a viewer never sees half a picture. IoError where that
// fails.
void write_svg(const Figure& figure, const std::filesystem::path& file);

// Round values (1, 2 or 5 times a power of ten) that cover [low, high] with about `count` steps.
std::vector<double> nice_ticks(double low, double high, int count);

}  // namespace lockstep::obs
