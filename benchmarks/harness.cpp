#include "benchmarks/harness.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/base/error.h"
#include "lockstep/core/parallel_for.h"
#include "lockstep/ops/linalg.h"
#include "lockstep/tensor/create.h"
#include "lockstep/version.h"

namespace lockstep::bench {
namespace {

constexpr std::int64_t copy_grain = std::int64_t{1} << 20;

void plain_copy(char* to, const char* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

// Stores that do not read the line they overwrite. `to` and `bytes` are multiples of 64.
void streaming_copy(char* to, const char* from, std::size_t bytes) {
#ifdef __SSE2__
  const auto* source = reinterpret_cast<const __m128i*>(from);
  auto* target = reinterpret_cast<__m128i*>(to);
  for (std::size_t i = 0; i < bytes / 16; ++i)
    _mm_stream_si128(target + i, _mm_load_si128(source + i));
  _mm_sfence();
#else
  std::memcpy(to, from, bytes);
#endif
}

char* pages(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check<DeviceError>(memory != MAP_FAILED, [&] {
    return Complaint{fmt::format("benchmark: no memory for {} bytes", bytes), "free some memory"};
  });
  madvise(memory, bytes, MADV_HUGEPAGE);
  return static_cast<char*>(memory);
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "2048K" or "32M" as bytes.
std::size_t size_text(const std::string& text) {
  if (text.empty()) return 0;
  const std::size_t number = std::stoul(text);
  return number << (text.back() == 'M' ? 20U : text.back() == 'K' ? 10U : 0U);
}

}  // namespace

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

Timing timing_of(const std::vector<double>& seconds) {
  return {quantile(seconds, 0.5), quantile(seconds, 0.1), quantile(seconds, 0.9),
          static_cast<std::int64_t>(seconds.size())};
}

// The number of values below the median is binomial: leave out as many at each end as keeps the
// chance that it lies beyond below 2.5 %.
Interval median_interval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double chance = std::pow(0.5, n);  // that exactly `out` values are below
  double below = chance;
  std::size_t out = 0;
  while (below <= 0.025 && out < values.size()) {
    ++out;
    chance *= (n - static_cast<double>(out) + 1) / static_cast<double>(out);
    below += chance;
  }
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (out == 0) return {-infinity, infinity};
  return {values[out - 1], values[values.size() - out]};
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Timing repeat(const std::function<void()>& body, const RepeatOptions& options) {
  std::vector<double> seconds;
  const double start = now();
  for (int i = -options.warmup; i < options.least || now() - start < options.least_seconds; ++i) {
    if (options.before) options.before();
    const double begin = now();
    body();
    if (i >= 0) seconds.push_back(now() - begin);
  }
  return timing_of(seconds);
}

CopyLimit::CopyLimit(std::size_t bytes)
    : bytes_(bytes & ~std::size_t{63}), from_(pages(bytes_)), to_(pages(bytes_)) {
  std::memset(from_, 1, bytes_);
  std::memset(to_, 2, bytes_);
}

CopyLimit::~CopyLimit() {
  munmap(from_, bytes_);
  munmap(to_, bytes_);
}

double CopyLimit::bytes_per_second() {
  double best = 0;
  for (const auto copy : {plain_copy, streaming_copy}) {
    const double begin = now();
    core::parallel_for(static_cast<std::int64_t>(bytes_), copy_grain,
                       [&](std::int64_t first, std::int64_t last) {
                         copy(to_ + first, from_ + first, static_cast<std::size_t>(last - first));
                       });
    best = std::max(best, 2 * static_cast<double>(bytes_) / (now() - begin));
  }
  return best;
}

double gemm_flops_per_second(double seconds, DType dtype) {
  const NoGrad no_grad;
  double best = 0;
  struct Sizes {
    std::int64_t m, n, k;
  };
  const Sizes all[] = {{256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}, {64, 1024, 1024}};
  for (const auto& [m, n, k] : all) {
    const Tensor a = full({m, k}, 0.5, {.dtype = dtype});
    const Tensor b = full({k, n}, 0.25, {.dtype = dtype});
    const Timing timing =
        repeat([&] { matmul(a, b); }, {.least = 5, .least_seconds = seconds / std::size(all)});
    best = std::max(best, 2.0 * static_cast<double>(m * n * k) / timing.p10);
  }
  return best;
}

std::size_t private_cache_bytes() {
  std::size_t largest = 0;
  const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index";
  const std::string siblings =
      first_line("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
  for (int index = 0; index < 8; ++index) {
    const std::string cache = folder + std::to_string(index);
    if (first_line(cache + "/level") == "3")
      continue;  // shared by design, even where one core sees it
    if (first_line(cache + "/shared_cpu_list") != siblings) continue;
    largest = std::max(largest, size_text(first_line(cache + "/size")));
  }
  return largest > 0 ? largest : std::size_t{1} << 20;
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

namespace {

void check_written(const std::ofstream& out, const std::string& file) {
  check<IoError>(static_cast<bool>(out), [&] {
    return Complaint{fmt::format("writing {}: {}", file, std::strerror(errno)),
                     "choose a path that you may write to, on a disk with space"};
  });
}

}  // namespace

void check_writable(const std::string& file) {
  if (file.empty()) return;
  const bool is_new = !std::filesystem::exists(file);
  check_written(std::ofstream(file, std::ios::app), file);
  if (is_new) std::filesystem::remove(file);
}

void write_json(const std::string& file, const std::string& program,
                const std::vector<std::pair<std::string, std::string>>& context,
                const std::vector<Entry>& entries) {
  nlohmann::ordered_json document;
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  auto& about = document["context"];
  about["date"] = fmt::format("{:%Y-%m-%dT%H:%M:%S+00:00}", fmt::gmtime(std::time(nullptr)));
  about["host_name"] = host;
  about["executable"] = program;
  about["num_cpus"] = std::thread::hardware_concurrency();
  about["library_version"] = version();
  for (const auto& [name, value] : context) about[name] = value;
  document["benchmarks"] = nlohmann::ordered_json::array();
  for (const Entry& entry : entries) {
    nlohmann::ordered_json line{{"name", entry.name},
                                {"run_name", entry.name},
                                {"run_type", "iteration"},
                                {"repetitions", 1},
                                {"repetition_index", 0},
                                {"threads", core::threads()},
                                {"iterations", entry.iterations},
                                {"real_time", entry.milliseconds},
                                {"cpu_time", entry.milliseconds},
                                {"time_unit", "ms"}};
    for (const auto& [name, value] : entry.counters) line[name] = value;
    document["benchmarks"].push_back(line);
  }
  std::ofstream out(file, std::ios::trunc);
  out << document.dump(2) << '\n';
  out.close();
  check_written(out, file);
}

}  // namespace lockstep::bench
