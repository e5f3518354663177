// lockstep-bench-ops: single operations beside what memory and arithmetic of this machine allow in
// the same run.
#include <fmt/core.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/harness.h"
#include "benchmarks/program.h"
#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"
#include "lockstep/ops/conv.h"
#include "lockstep/ops/linalg.h"
#include "lockstep/ops/norm.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/views.h"
#include "src/programs/command_line.h"

namespace lockstep::bench {
namespace {

struct Settings {
  std::int64_t mebibytes = 64;
  std::string only;
  std::string json;
};

// Names that contain --only; everything that is shown and kept.
class Report {
 public:
  explicit Report(const Settings& settings) : settings_(settings) {}

  bool wants(const std::string& name) const {
    return name.find(settings_.only) != std::string::npos;
  }
  // Printed in front of the next row, if there is one.
  void heading(std::string text) { heading_ = std::move(text); }
  void row(const std::string& text) {
    fmt::print("{}  {}\n", heading_, text);
    std::fflush(stdout);
    heading_.clear();
  }
  void add(Entry entry) { entries_.push_back(std::move(entry)); }
  void finish() const {
    check<UsageError>(!entries_.empty(), [&] {
      return Complaint{"--only " + settings_.only + ": no benchmark has that in its name",
                       "run without --only to see the names"};
    });
    if (!settings_.json.empty()) write_json(settings_.json, "lockstep-bench-ops", {}, entries_);
  }

 private:
  const Settings& settings_;
  std::string heading_;
  std::vector<Entry> entries_;
};

// An op on large tensors: `passes` tensors are read or written.
struct MemoryCase {
  std::string name;
  double passes;
  std::function<Tensor()> run;
  // What element i must be, given the double values of x and y at i; absent: not checked here.
  std::function<double(double x, double y)> expected = {};
};

constexpr std::int64_t row_length = 1024;

class MemoryOps {
 public:
  MemoryOps(const Settings& settings, Report& report)
      : report_(report), bytes_(static_cast<std::size_t>(settings.mebibytes) << 20), copy_(bytes_) {
    const auto rows = static_cast<std::int64_t>(bytes_ / sizeof(float)) / row_length;
    x_ = uniform({rows, row_length}, {.low = 0.1, .high = 2});
    y_ = uniform({rows, row_length}, {.low = 0.1, .high = 2});
    targets_ = cast(uniform({rows}, {.high = static_cast<double>(row_length)}), DType::i64);
  }

  void run() {
    report_.heading(fmt::format(
        "{} MiB a tensor; a pass is one tensor read or written\n  {:<28}{:>8}{:>11}{:>11}{:>9}\n",
        bytes_ >> 20U, "", "passes", "GB/s", "copy GB/s", "share"));
    const NoGrad no_grad;
    for (const MemoryCase& each : cases()) {
      if (report_.wants(each.name)) measure(each);
    }
    update_case("update/sgd", 3, [this] { return std::make_unique<optim::Sgd>(parameter()); });
    update_case("update/sgd_momentum", 5, [this] {
      return std::make_unique<optim::Sgd>(parameter(), optim::SgdOptions{.momentum = 0.9});
    });
    update_case("update/adamw", 7, [this] { return std::make_unique<optim::AdamW>(parameter()); });
  }

 private:
  std::vector<MemoryCase> cases() const {
    const Tensor& x = x_;
    const Tensor& y = y_;
    return {
        {"add", 3, [&] { return x + y; }, [](double a, double b) { return a + b; }},
        {"mul", 3, [&] { return x * y; }, [](double a, double b) { return a * b; }},
        {"div", 3, [&] { return x / y; }, [](double a, double b) { return a / b; }},
        {"relu", 2, [&] { return relu(x); }, [](double a, double) { return std::max(a, 0.0); }},
        {"neg", 2, [&] { return -x; }, [](double a, double) { return -a; }},
        {"sqrt", 2, [&] { return sqrt(x); }, [](double a, double) { return std::sqrt(a); }},
        {"exp", 2, [&] { return exp(x); }, [](double a, double) { return std::exp(a); }},
        {"log", 2, [&] { return log(x); }, [](double a, double) { return std::log(a); }},
        {"tanh", 2, [&] { return tanh(x); }, [](double a, double) { return std::tanh(a); }},
        {"sigmoid", 2, [&] { return sigmoid(x); },
         [](double a, double) { return 1 / (1 + std::exp(-a)); }},
        {"gelu", 2, [&] { return gelu(x); }},
        {"clone", 2, [&] { return clone(x); }, [](double a, double) { return a; }},
        {"cast_f64_half_size", 1.5,
         [&] { return cast(slice(x, 0, 0, x.size(0) / 2), DType::f64); }},
        {"dropout", 2, [&] { return dropout(x, 0.5); }},
        {"sum", 1, [&] { return sum(x); }},
        {"sum_of_rows", 1, [&] { return sum(x, 1); }},
        {"softmax", 2, [&] { return softmax(x); }},
        {"log_softmax", 2, [&] { return log_softmax(x); }},
        {"cross_entropy", 1, [&] { return cross_entropy(x, targets_); }},
    };
  }

  // Times body and copy in turn, so that both see the same machine.
  void measure_beside_copy(const std::string& name, double passes,
                           const std::function<void()>& body) {
    std::vector<double> copies;
    const Timing timing =
        repeat(body, {.before = [&] { copies.push_back(copy_.bytes_per_second()); }});
    const double bytes = passes * static_cast<double>(bytes_);
    const double rate = bytes / timing.median;
    const double copy = quantile(copies, 0.5);
    report_.row(fmt::format("{:<28}{:>8g}{:>11.2f}{:>11.2f}{:>8.0f}%", name, passes, rate / 1e9,
                            copy / 1e9, 100 * rate / copy));
    report_.add(
        {"ops/" + name,
         timing.repeats,
         1e3 * timing.median,
         {{"bytes_per_second", rate}, {"copy_bytes_per_second", copy}, {"share", rate / copy}}});
  }

  void measure(const MemoryCase& each) {
    if (each.expected) verify(each, each.run());
    measure_beside_copy(each.name, each.passes, [&] { each.run(); });
  }

  void verify(const MemoryCase& each, const Tensor& result) const {
    const std::int64_t count = x_.elements();
    const auto *x = x_.data<float>(), *y = y_.data<float>(), *z = result.data<float>();
    for (std::int64_t i = 0; i < count; i += count / 997 + 1) {
      const double wanted = each.expected(x[i], y[i]);
      check<Error>(std::abs(z[i] - wanted) <= 1e-5 * std::max(1.0, std::abs(wanted)), [&] {
        return Complaint{fmt::format("{}: element {} is {}, not {}", each.name, i, z[i], wanted),
                         "run the test suite: this build computes wrong values"};
      });
    }
  }

  // With memory of its own: an optimizer takes it over.
  State parameter() const { return {{"weight", require_grad(copied(x_))}}; }

  void update_case(const std::string& name, double passes,
                   const std::function<std::unique_ptr<optim::Optimizer>()>& make) {
    if (!report_.wants(name)) return;
    const auto optimizer = make();
    const core::Range all{0, optimizer->arenas()[0].count()};
    measure_beside_copy(name, passes, [&] {
      optimizer->begin_step({true});
      optimizer->update(0, all);
      optimizer->finish_step();
    });
  }

  Report& report_;
  std::size_t bytes_;
  CopyLimit copy_;
  Tensor x_, y_, targets_;
};

// The time that an operation on four elements takes, recording and releasing the tape included.
void tiny_ops(Report& report) {
  constexpr int calls = 2000;
  Tensor x = full({4}, 0.5);
  Tensor y = full({4}, 0.25);
  Tensor matrix = full({2, 2}, 0.5);
  require_grad(x);
  require_grad(matrix);
  struct Case {
    const char* name;
    std::function<Tensor()> run;
  };
  const Case cases[] = {
      {"tiny/relu", [&] { return relu(x); }},
      {"tiny/add", [&] { return x + y; }},
      {"tiny/mul", [&] { return x * y; }},
      {"tiny/mul_scalar", [&] { return x * 3.0; }},
      {"tiny/reshape",
       [&] {
         return reshape(x, {2, 2});
       }},
      {"tiny/sum", [&] { return sum(x); }},
      {"tiny/matmul", [&] { return matmul(matrix, matrix); }},
      {"tiny/linear", [&] { return linear(matrix, matrix); }},
  };
  report.heading(fmt::format("\n4 elements, with the tape\n  {:<28}{:>8}\n", "", "ns"));
  for (const Case& each : cases) {
    if (!report.wants(each.name)) continue;
    const Timing timing = repeat([&] {
      for (int i = 0; i < calls; ++i) each.run();
    });
    const double nanoseconds = 1e9 * timing.median / calls;
    report.row(fmt::format("{:<28}{:>8.0f}", each.name, nanoseconds));
    report.add({std::string("ops/") + each.name,
                timing.repeats * calls,
                nanoseconds / 1e6,
                {{"nanoseconds", nanoseconds}}});
  }
}

// GEMM and convolution beside the best GEMM rate of this run.
class Arithmetic {
 public:
  explicit Arithmetic(Report& report) : report_(report) {}

  void run() {
    peak_ = gemm_flops_per_second(1.0);
    report_.heading(
        fmt::format("\nArithmetic; the best GEMM rate of this run is {:.1f} GFLOP/s\n  "
                    "{:<28}{:>11}{:>11}{:>9}\n",
                    peak_ / 1e9, "", "ms", "GFLOP/s", "share"));
    for (const std::int64_t n : {128, 256, 512, 1024}) product(n, n, n);
    product(32, 512, 784);
    product(64, 128, 3136);
    convolution("cnn_first", 64, 28, 1, 32);
    convolution("cnn_second", 64, 14, 32, 64);
    convolution("resnet_early", 32, 32, 64, 64);
    convolution("resnet_late", 32, 4, 512, 512);
  }

 private:
  void measure(const std::string& name, double flops, const std::function<void()>& body,
               const std::function<void()>& before = {}) {
    if (!report_.wants(name)) return;
    const Timing timing = repeat(body, {.before = before});
    const double rate = flops / timing.median;
    report_.row(fmt::format("{:<28}{:>11.3f}{:>11.1f}{:>8.0f}%", name, 1e3 * timing.median,
                            rate / 1e9, 100 * rate / peak_));
    report_.add({"ops/" + name,
                 timing.repeats,
                 1e3 * timing.median,
                 {{"flops_per_second", rate}, {"share", rate / peak_}}});
  }

  void product(std::int64_t m, std::int64_t n, std::int64_t k) {
    const NoGrad no_grad;
    const Tensor a = normal({m, k});
    const Tensor b = normal({n, k});
    measure(fmt::format("linear/{}x{}x{}", m, n, k), 2.0 * static_cast<double>(m * n * k),
            [&] { linear(a, b); });
  }

  void convolution(const std::string& name, std::int64_t n, std::int64_t side, std::int64_t in,
                   std::int64_t out) {
    Tensor x = normal({n, side, side, in});
    Tensor weight = normal({out, 3, 3, in}, {.deviation = 0.1});
    const double flops = 2.0 * static_cast<double>(n * side * side * 9 * in * out);
    {
      const NoGrad no_grad;
      measure("conv_forward/" + name, flops, [&] { conv2d(x, weight, {}, {.padding = 1}); });
    }
    const Tensor seed = normal({n, side, side, out});
    Tensor y;
    const auto forward = [&] { y = conv2d(x, weight, {}, {.padding = 1}); };
    require_grad(weight);
    measure(
        "conv_weight/" + name, flops, [&] { backward(y, seed); }, forward);
    require_grad(weight, false);
    require_grad(x);
    measure(
        "conv_data/" + name, flops, [&] { backward(y, seed); }, forward);
  }

  Report& report_;
  double peak_ = 0;
};

void run(const Settings& settings, World& world) {
  check<UsageError>(world.size() == 1, [&] {
    return Complaint{fmt::format("lockstep-bench-ops on {} ranks", world.size()),
                     "run it alone, without mpirun"};
  });
  check_writable(settings.json);
  core::manual_seed(1);
  Report report(settings);
  MemoryOps(settings, report).run();
  tiny_ops(report);
  Arithmetic(report).run();
  report.finish();
}

void add_flags(programs::CommandLine& line, Settings& settings) {
  line.add(
      {.name = "--mib", .meaning = "size of the large tensors in MiB", .low = 1, .high = 65536},
      settings.mebibytes);
  line.add({.name = "--only", .meaning = "only benchmarks whose name contains it"}, settings.only);
  add_json_flag(line, settings.json);
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using namespace lockstep::bench;
  return run_program(
      argc, argv,
      {"lockstep-bench-ops",
       "Times single operations beside the copy bandwidth and the GEMM rate of the same run."},
      add_flags, run);
}
