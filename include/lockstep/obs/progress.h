// How far a long loop is: a bar with rate, time left and loss on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "lockstep/obs/terminal.h"

namespace lockstep::obs {

struct ProgressOptions {
  std::string label = {};                 // "epoch 3/10"
  std::string unit = "samples";           // what is counted
  double bar_seconds = 0.1;               // least time between two drawings of the bar
  double line_seconds = 10;               // least time between two plain lines
  bool is_silent = false;                 // as it is on ranks other than 0 of set_log_identity
  std::ostream* out = nullptr;            // std::cerr
  std::optional<Terminal> terminal = {};  // that of stderr
  std::function<double()> clock = {};     // seconds; the steady clock
};

// Counts up to `total`. Whatever happens, the last state stays readable: the bar ends with a new
// line.
class Progress {
 public:
  using Options = ProgressOptions;

  explicit Progress(std::int64_t total, Options options = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  // `count` more are done; `loss` is shown as it is.
  void advance(std::int64_t count, std::optional<double> loss = {});
  // Shows the final state, with `summary` behind it. Further calls do nothing.
  void finish(const std::string& summary = {});

  // Done per second, over about the last five seconds.
  double rate() const { return rate_; }

 private:
  void measure(double now);
  std::string state(double now) const;
  std::string bar() const;
  bool is_shown() const;
  void draw(const std::string& text);
  void print_line(const std::string& text);

  Options options_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  std::optional<double> loss_;
  double start_;
  double shown_;              // when it was last shown
  double measured_;           // when rate_ was last brought up to date
  std::int64_t counted_ = 0;  // done_ at that time
  double rate_ = 0;
  bool is_finished_ = false;
};

// "7 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);
// "7.25", "1,520", "48.2k", "3.10M": four characters of number at most.
std::string rate_text(double per_second);

}  // namespace lockstep::obs
