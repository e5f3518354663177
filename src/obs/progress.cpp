#include "lockstep/obs/progress.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "lockstep/obs/log.h"

namespace lockstep::obs {
namespace {

constexpr double rate_memory = 5;  // seconds over which the rate is smoothed

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The bytes of `text` that fill at most `columns` columns; every character here is one column wide.
std::string_view clipped(std::string_view text, int columns) {
  int used = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U;
    if (starts_character && used++ == columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string rate_text(double per_second) {
  if (per_second < 10) return fmt::format("{:.2f}", per_second);
  if (per_second < 100) return fmt::format("{:.1f}", per_second);
  if (per_second < 9999.5) {
    const auto whole = std::llround(per_second);
    return whole < 1000 ? fmt::format("{}", whole)
                        : fmt::format("{},{:03}", whole / 1000, whole % 1000);
  }
  if (per_second < 999500) return fmt::format("{:.1f}k", per_second / 1e3);
  return fmt::format("{:.2f}M", per_second / 1e6);
}

Progress::Progress(std::int64_t total, Options options)
    : options_(std::move(options)), total_(std::max<std::int64_t>(total, 0)) {
  if (options_.out == nullptr) options_.out = &std::cerr;
  if (!options_.terminal) options_.terminal = terminal_of(2);
  if (!options_.clock) options_.clock = steady_seconds;
  start_ = shown_ = measured_ = options_.clock();
}

Progress::~Progress() {
  if (is_finished_) return;
  try {
    if (options_.terminal->is_terminal && shown_ != start_ && is_shown()) {
      *options_.out << '\n' << std::flush;
    }
  } catch (...) {  // a stream that throws must not end the process
  }
}

void Progress::measure(double now) {
  const double elapsed = now - measured_;
  if (elapsed <= 0) return;
  const double fresh = static_cast<double>(done_ - counted_) / elapsed;
  // A running mean at first, then an exponential one: early figures are neither jumpy nor stale.
  const double window = std::min(now - start_, rate_memory);
  const double weight = 1 - std::exp(-elapsed / std::max(window - elapsed, 1e-9));
  rate_ += (fresh - rate_) * std::clamp(weight, 0.0, 1.0);
  measured_ = now;
  counted_ = done_;
}

void Progress::advance(std::int64_t count, std::optional<double> loss) {
  if (is_finished_) return;
  done_ += count;
  if (loss) loss_ = loss;
  const double now = options_.clock();
  const bool is_bar = options_.terminal->is_terminal;
  if (now - shown_ < (is_bar ? options_.bar_seconds : options_.line_seconds)) return;
  measure(now);
  shown_ = now;
  if (is_bar) {
    draw(bar() + state(now));
  } else {
    print_line(state(now));
  }
}

void Progress::finish(const std::string& summary) {
  if (is_finished_) return;
  is_finished_ = true;
  const double now = options_.clock();
  const double seconds = now - start_;
  if (seconds > 0) rate_ = static_cast<double>(done_) / seconds;
  std::string text = fmt::format("{}  {} {} in {}, {} {}/s", options_.label, done_, options_.unit,
                                 duration_text(seconds), rate_text(rate_), options_.unit);
  if (loss_) text += fmt::format("  loss {:.4f}", *loss_);
  if (!summary.empty()) text += "  " + summary;
  if (options_.terminal->is_terminal) {
    draw(text);
    print_line("");
  } else {
    print_line(text);
  }
}

std::string Progress::state(double now) const {
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  const double left = static_cast<double>(total_ - done_) / rate_;
  std::string text = fmt::format("{}  {:3.0f} %  {} {}/s", options_.label,
                                 100 * std::min(share, 1.0), rate_text(rate_), options_.unit);
  text += rate_ > 0 && done_ < total_ ? fmt::format("  {} left", duration_text(left))
                                      : fmt::format("  {}", duration_text(now - start_));
  if (loss_) text += fmt::format("  loss {:.4f}", *loss_);
  return text;
}

std::string Progress::bar() const {
  const int width = std::clamp(options_.terminal->columns / 4, 8, 32);
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  std::string text;
  if (options_.terminal->has_color) text += "\033[32m";
  for (int i = 0; i < full; ++i) text += "━";
  if (options_.terminal->has_color) text += "\033[2m";
  for (int i = full; i < width; ++i) text += options_.terminal->has_color ? "━" : "·";
  if (options_.terminal->has_color) text += "\033[0m";
  return text + "  ";
}

bool Progress::is_shown() const { return !options_.is_silent && log_rank() == 0; }

void Progress::draw(const std::string& text) {
  if (!is_shown()) return;
  // Escape sequences take no columns; a line that wraps could not be drawn over.
  std::string visible;
  int columns = options_.terminal->columns - 1;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t escape = std::min(text.find('\033', at), text.size());
    const std::string_view plain = clipped(std::string_view(text).substr(at, escape - at), columns);
    visible += plain;
    columns -= static_cast<int>(std::count_if(plain.begin(), plain.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
    at = escape;
    if (at == text.size()) break;
    const std::size_t end = text.find('m', at) + 1;
    visible.append(text, at, end - at);
    at = end;
  }
  *options_.out << '\r' << visible << "\033[K" << std::flush;
}

void Progress::print_line(const std::string& text) {
  if (is_shown()) *options_.out << text << '\n' << std::flush;
}

}  // namespace lockstep::obs
