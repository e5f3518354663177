// What all benchmarks share: timing, the limits of the machine in the same run, and results as
// JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/dtype.h"

namespace lockstep::bench {

// Linear between the nearest values, as Python's statistics.quantiles(method="inclusive"); NaN for
// none.
double quantile(std::vector<double> values, double share);

struct Timing {
  double median = 0;  // seconds
  double p10 = 0;
  double p90 = 0;
  std::int64_t repeats = 0;
};
Timing timing_of(const std::vector<double>& seconds);

// The interval that holds the median of what was drawn from with a confidence of at least 95 %, by
// the order of the values alone; from six values on it is finite.
struct Interval {
  double low = 0;
  double high = 0;
};
Interval median_interval(std::vector<double> values);

struct RepeatOptions {
  int least = 20;  // repeats
  double least_seconds = 0.2;
  int warmup = 3;
  std::function<void()> before = {};  // not timed, in front of each repeat
};
Timing repeat(const std::function<void()>& body, const RepeatOptions& options = {});

// Seconds of the steady clock.
double now();

// Bytes read plus bytes written a second by this rank's threads copying `bytes` bytes between
// buffers beyond all caches, the better of memcpy and streaming stores.
class CopyLimit {
 public:
  explicit CopyLimit(std::size_t bytes);
  CopyLimit(const CopyLimit&) = delete;
  CopyLimit& operator=(const CopyLimit&) = delete;
  ~CopyLimit();
  // One measurement: call it between the timed pieces, so that both see the same machine.
  double bytes_per_second();

 private:
  std::size_t bytes_;
  char* from_;
  char* to_;
};

// The best GEMM rate of this rank's threads over several shapes, in FLOP/s; takes about `seconds`.
double gemm_flops_per_second(double seconds, DType dtype = DType::f32);

// The largest cache that a core has to itself, in bytes.
std::size_t private_cache_bytes();
// Most memory that this process has held so far.
double peak_mib();

// One line of Google Benchmark's schema: counters stand at the top level of the entry.
struct Entry {
  std::string name;
  std::int64_t iterations = 0;
  double milliseconds = 0;
  std::vector<std::pair<std::string, double>> counters;
};
// IoError where a file of results cannot be written: better before the measurement than after it.
void check_writable(const std::string& file);
// Replaces `file`. IoError where that fails.
void write_json(const std::string& file, const std::string& program,
                const std::vector<std::pair<std::string, std::string>>& context,
                const std::vector<Entry>& entries);

}  // namespace lockstep::bench
