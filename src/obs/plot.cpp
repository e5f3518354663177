#include "lockstep/obs/plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "lockstep/base/error.h"
#include "src/obs/file.h"

namespace lockstep::obs {
namespace {

// Colours that stay apart for the colour-blind, on white and on near-black.
constexpr const char* style = R"(<style>
text{font-family:system-ui,"Segoe UI","DejaVu Sans",sans-serif;font-size:12px;fill:#52606d}
.title{font-size:17px;font-weight:600;fill:#1f2933}
.panel{font-size:14px;font-weight:600;fill:#1f2933}
.page{fill:#ffffff}
.grid{stroke:#e4e7eb;stroke-width:1}
.axis{stroke:#9aa5b1;stroke-width:1}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.c0{stroke:#0b6bcb}.c1{stroke:#d9480f}.c2{stroke:#2b8a3e}.c3{stroke:#9c36b5}.c4{stroke:#b08500}.c5{stroke:#0c8599}
.dot.c0{fill:#0b6bcb}.dot.c1{fill:#d9480f}.dot.c2{fill:#2b8a3e}.dot.c3{fill:#9c36b5}.dot.c4{fill:#b08500}.dot.c5{fill:#0c8599}
@media (prefers-color-scheme:dark){
text{fill:#9aa5b1}.title,.panel{fill:#f5f7fa}.page{fill:#15191e}.grid{stroke:#2a3138}.axis{stroke:#616e7c}
.c0{stroke:#4dabf7}.c1{stroke:#ff922b}.c2{stroke:#51cf66}.c3{stroke:#da77f2}.c4{stroke:#fcc419}.c5{stroke:#3bc9db}
.dot.c0{fill:#4dabf7}.dot.c1{fill:#ff922b}.dot.c2{fill:#51cf66}.dot.c3{fill:#da77f2}.dot.c4{fill:#fcc419}.dot.c5{fill:#3bc9db}
}
</style>
)";
constexpr std::size_t colors = 6;
constexpr double character_width = 6.8;  // of the 12 px font, on average

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

struct Bounds {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Never empty: a lone value gets room on both sides.
  Bounds widened() const {
    if (low > high) return {0, 1};
    if (low < high) return *this;
    const double room = low == 0 ? 1 : std::abs(low) / 2;
    return {low - room, high + room};
  }
};

bool is_shown(const Series& series, std::size_t i) {
  return std::isfinite(series.x[i]) && std::isfinite(series.y[i]);
}

double step_of(double low, double high, int count) {
  const double raw = (high - low) / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

// Multiples of `step` that cover the bounds.
std::vector<double> ticks_of(Bounds bounds, double step) {
  std::vector<double> ticks;
  const double last = std::ceil(bounds.high / step - 1e-9);
  for (double i = std::floor(bounds.low / step + 1e-9); i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string tick_text(double value, double step) {
  if (std::abs(value) < step / 1e6) return "0";
  if (step < 1e-4) return fmt::format("{:.3g}", value);
  if (step >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (step >= 1e3) return fmt::format("{:g}k", value / 1e3);
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return fmt::format("{:.{}f}", value, decimals);
}

// One axis: values to pixels, and where its ticks stand.
struct Axis {
  Bounds values;
  double begin = 0;  // pixel of values.low
  double end = 0;
  std::vector<double> ticks;
  double step = 1;

  double pixel(double value) const {
    return begin + (value - values.low) / (values.high - values.low) * (end - begin);
  }
  std::string text(double tick) const { return tick_text(tick, step); }
};

class PanelDrawing {
 public:
  PanelDrawing(const Panel& panel, double left, double top, double width, double height)
      : panel_(panel),
        left_(left),
        top_(top),
        right_(left + width - 20),
        bottom_(top + height - 48) {
    place_legend();
    lay_axes();
  }

  std::string svg() {
    text(x_.begin, top_ + 18, "start", panel_.title, "panel");
    draw_legend();
    draw_grid();
    for (std::size_t i = 0; i < panel_.series.size(); ++i)
      draw_series(panel_.series[i], i % colors);
    return std::move(svg_);
  }

 private:
  struct Entry {
    double x;
    double y;
  };

  template <class... Arguments>
  void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Arguments>(arguments)...);
  }
  void text(double x, double y, const char* anchor, const std::string& content,
            const char* kind = nullptr) {
    if (content.empty()) return;
    add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"", x, y, anchor);
    if (kind != nullptr) add(" class=\"{}\"", kind);
    add(">{}</text>\n", escaped(content));
  }

  bool has_legend() const { return panel_.series.size() > 1; }

  // Entries in rows below the title, as many a row as fit.
  void place_legend() {
    double x = left_ + 64;
    double y = top_ + 38;
    for (const Series& series : panel_.series) {
      const double width = 26 + character_width * static_cast<double>(series.name.size()) + 16;
      if (x + width > right_ + 16 && x > left_ + 64) {
        x = left_ + 64;
        y += 18;
      }
      legend_.push_back({x, y});
      x += width;
    }
    plot_top_ = has_legend() ? y + 14 : top_ + 34;
  }

  void lay_axes() {
    Bounds xs, ys;
    bool has_whole_x = true;
    for (const Series& series : panel_.series) {
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!is_shown(series, i)) continue;
        xs.include(series.x[i]);
        ys.include(series.y[i]);
        has_whole_x = has_whole_x && series.x[i] == std::floor(series.x[i]);
      }
    }
    y_ = axis_of(ys.widened(), bottom_, plot_top_, 5, false);
    y_.values = {y_.ticks.front(), y_.ticks.back()};
    std::size_t longest = 0;
    for (const double tick : y_.ticks) longest = std::max(longest, y_.text(tick).size());
    const double label = panel_.y_label.empty() ? 0 : 18;
    const double labels = character_width * static_cast<double>(longest);
    x_ = axis_of(xs.widened(), left_ + 24 + label + labels, right_, 6, has_whole_x);
    for (Entry& entry : legend_) entry.x += x_.begin - (left_ + 64);
  }

  static Axis axis_of(Bounds values, double begin, double end, int count, bool is_whole) {
    Axis axis{values, begin, end, {}, step_of(values.low, values.high, count)};
    if (is_whole) axis.step = std::max(axis.step, 1.0);
    axis.ticks = ticks_of(values, axis.step);
    return axis;
  }

  void draw_legend() {
    if (!has_legend()) return;
    for (std::size_t i = 0; i < panel_.series.size(); ++i) {
      const Entry& at = legend_[i];
      add("<path class=\"line c{}\" d=\"M{:.1f} {:.1f}h18\"/>\n", i % colors, at.x, at.y - 4);
      text(at.x + 24, at.y, "start", panel_.series[i].name);
    }
  }

  void draw_grid() {
    for (const double tick : y_.ticks) {
      const double y = y_.pixel(tick);
      add("<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", x_.begin, y, x_.end);
      text(x_.begin - 8, y + 4, "end", y_.text(tick));
    }
    for (const double tick : x_.ticks) {
      const double x = x_.pixel(tick);
      if (x < x_.begin - 0.5 || x > x_.end + 0.5) continue;
      add("<path class=\"axis\" d=\"M{:.1f} {:.1f}v5\"/>\n", x, bottom_);
      text(x, bottom_ + 20, "middle", x_.text(tick));
    }
    add("<path class=\"axis\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", x_.begin, bottom_, x_.end);
    text((x_.begin + x_.end) / 2, bottom_ + 40, "middle", panel_.x_label);
    if (panel_.y_label.empty()) return;
    const double middle = (plot_top_ + bottom_) / 2;
    add("<text text-anchor=\"middle\" transform=\"translate({:.1f} {:.1f}) "
        "rotate(-90)\">{}</text>\n",
        left_ + 22, middle, escaped(panel_.y_label));
  }

  // A lone point shows as a dot ("h0" with round ends). Of the points that share a pixel column,
  // the first, the extremes and the last are kept: the picture is the same.
  void draw_series(const Series& series, std::size_t color) {
    std::string path;
    std::size_t last = series.x.size();
    bool is_joined = false;
    for (std::size_t i = 0; i < series.x.size();) {
      if (!is_shown(series, i)) {
        is_joined = false;
        ++i;
        continue;
      }
      const std::size_t end = end_of_column(series, i);
      for (const std::size_t point : kept_points(series, i, end)) {
        path += fmt::format("{}{:.1f} {:.1f}{}", is_joined ? "L" : "M", x_.pixel(series.x[point]),
                            y_.pixel(series.y[point]), is_joined ? "" : "h0");
        is_joined = true;
      }
      last = end - 1;
      i = end;
    }
    if (last == series.x.size()) return;
    add("<path class=\"line c{}\" d=\"{}\"/>\n", color, path);
    add("<circle class=\"dot c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n", color,
        x_.pixel(series.x[last]), y_.pixel(series.y[last]));
  }

  std::size_t end_of_column(const Series& series, std::size_t first) const {
    const double column = std::floor(x_.pixel(series.x[first]));
    std::size_t end = first + 1;
    while (end < series.x.size() && is_shown(series, end) &&
           std::floor(x_.pixel(series.x[end])) == column) {
      ++end;
    }
    return end;
  }

  static std::vector<std::size_t> kept_points(const Series& series, std::size_t first,
                                              std::size_t end) {
    const auto at = series.y.begin();
    const auto [low, high] = std::minmax_element(at + static_cast<std::ptrdiff_t>(first),
                                                 at + static_cast<std::ptrdiff_t>(end));
    std::vector<std::size_t> kept{first, static_cast<std::size_t>(low - at),
                                  static_cast<std::size_t>(high - at), end - 1};
    std::sort(kept.begin(), kept.end());
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    return kept;
  }

  const Panel& panel_;
  double left_, top_, right_, bottom_;
  double plot_top_ = 0;
  std::vector<Entry> legend_;
  Axis x_, y_;
  std::string svg_;
};

}  // namespace

std::vector<double> nice_ticks(double low, double high, int count) {
  const Bounds bounds = Bounds{std::min(low, high), std::max(low, high)}.widened();
  return ticks_of(bounds, step_of(bounds.low, bounds.high, count));
}

std::string svg_of(const Figure& figure) {
  for (const Panel& panel : figure.panels) {
    for (const Series& series : panel.series) {
      check<UsageError>(series.x.size() == series.y.size(), [&] {
        return Complaint{fmt::format("svg_of: series \"{}\" has {} x and {} y", series.name,
                                     series.x.size(), series.y.size()),
                         "give as many x as y"};
      });
    }
  }
  const int columns = std::max<int>(1, static_cast<int>(figure.panels.size()));
  const int width = columns * figure.panel_width;
  const int title = figure.title.empty() ? 8 : 44;
  const int height = title + figure.panel_height;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "role=\"img\">\n<title>{2}</title>\n{3}<rect class=\"page\" width=\"{0}\" height=\"{1}\" "
      "rx=\"8\"/>\n",
      width, height, escaped(figure.title), style);
  if (!figure.title.empty()) {
    svg +=
        fmt::format("<text class=\"title\" x=\"24\" y=\"32\">{}</text>\n", escaped(figure.title));
  }
  int left = 0;
  for (const Panel& panel : figure.panels) {
    svg += PanelDrawing(panel, left, title, figure.panel_width, figure.panel_height).svg();
    left += figure.panel_width;
  }
  return svg + "</svg>\n";
}

void write_svg(const Figure& figure, const std::filesystem::path& file) {
  replace_file(file, svg_of(figure));
}

}  // namespace lockstep::obs
