#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

#include "lockstep/core/parallel_for.h"
#include "tests/support/arrays.h"
#include "tests/support/kernel_test.h"

namespace lockstep::kernels {
namespace {

using testing::Array;

struct Case {
  PoolOp op = PoolOp::max;
  DType dtype = DType::f32;
  std::int64_t images = 2, height = 4, width = 4, channels = 3;
  Window window{2, 2, 2, 2, 0, 0};
  int below = 0, right = 0;  // padding there beyond that above and on the left
  Write write = Write::store;
  bool counts_padding = true;

  std::int64_t out_height() const {
    return (height + 2 * window.pad_height + below - window.height) / window.stride_height + 1;
  }
  std::int64_t out_width() const {
    return (width + 2 * window.pad_width + right - window.width) / window.stride_width + 1;
  }
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  const Window& w = c.window;
  return out << (c.op == PoolOp::max ? "max " : "average ") << name_of(c.dtype) << " [" << c.images
             << ", " << c.height << ", " << c.width << ", " << c.channels << "] window " << w.height
             << "x" << w.width << " stride " << w.stride_height << "x" << w.stride_width << " pad "
             << w.pad_height << "x" << w.pad_width << " +" << c.below << "x" << c.right << " write "
             << static_cast<int>(c.write);
}

struct Arrays {
  Case c;
  Array x, y, g, indices;

  Arrays(const Case& of, std::mt19937& random) : c(of) {
    x = Array(c.dtype, {c.images, c.height, c.width, c.channels});
    y = Array(c.dtype, {c.images, c.out_height(), c.out_width(), c.channels});
    g = Array(c.dtype, y.view().sizes);
    indices = Array(DType::i32, y.view().sizes);
    x.fill_random(random);
    // Few distinct values, so that ties happen.
    for (std::int64_t i = 0; i < x.count(); ++i) x.set(i, std::round(x.at(i) * 2));
    g.fill_random(random);
  }

  PoolCall call(Pass pass) const {
    PoolCall call{.op = c.op, .pass = pass, .write = c.write, .counts_padding = c.counts_padding};
    call.x = x.view();
    if (pass == Pass::value) call.y = y.view();
    if (pass != Pass::value) call.g = g.view();
    if (c.op == PoolOp::max) call.indices = indices.view();
    call.window = c.window;
    return call;
  }

  // f(y element, x element, plane offset) for every tap within the image, in the order of the
  // window.
  template <class F> void for_taps(const F& f) const {
    const Window& w = c.window;
    for (std::int64_t i = 0; i < y.count(); ++i) {
      const std::int64_t channel = i % c.channels, ox = i / c.channels % c.out_width();
      const std::int64_t oy = i / c.channels / c.out_width() % c.out_height();
      const std::int64_t n = i / c.channels / c.out_width() / c.out_height();
      for (int k = 0; k < w.height * w.width; ++k) {
        const std::int64_t iy = oy * w.stride_height - w.pad_height + k / w.width;
        const std::int64_t ix = ox * w.stride_width - w.pad_width + k % w.width;
        if (iy < 0 || ix < 0 || iy >= c.height || ix >= c.width) continue;
        const std::int64_t plane = iy * c.width + ix;
        f(i, (n * c.height * c.width + plane) * c.channels + channel, plane);
      }
    }
  }
};

class Pooling : public testing::KernelTest {
 protected:
  void TearDown() override { core::use_threads(1); }
  std::mt19937 random_{13};
};
INSTANTIATE_TEST_SUITE_P(Backends, Pooling, testing::all_kernels, testing::name_of);

void run(const PoolCall& call) { Pooling::backend().pool(call, core::current_stream({})); }

// Sums are f32 at least; a half is the result of one rounding.
void expect_near(double got, double want, DType dtype) {
  double step = 0;
  if (dtype == DType::bf16) step = 0x1p-8;
  if (dtype == DType::f16) step = 0x1p-11;
  ASSERT_NEAR(got, want, 1e-5 + step * std::abs(want));
}

void check_max(Arrays& a) {
  std::vector<double> best(static_cast<std::size_t>(a.y.count()), -HUGE_VAL);
  std::vector<std::int64_t> plane(best.size(), -1), source(best.size(), -1);
  a.for_taps([&](std::int64_t out, std::int64_t in, std::int64_t at) {
    const auto i = static_cast<std::size_t>(out);
    if (plane[i] >= 0 && !(a.x.at(in) > best[i])) return;
    best[i] = a.x.at(in);
    plane[i] = at;
    source[i] = in;
  });
  PoolCall forward = a.call(Pass::value);
  run(forward);
  Array dx = a.x;
  dx = Array(a.c.dtype, a.x.view().sizes);
  dx.fill(0.5);
  std::vector<double> want(static_cast<std::size_t>(dx.count()), a.c.write == Write::add ? 0.5 : 0);
  for (std::int64_t i = 0; i < a.y.count(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    ASSERT_EQ(a.y.at(i), best[k]) << i;
    ASSERT_EQ(a.indices.at(i), static_cast<double>(plane[k])) << i;
    if (source[k] >= 0) want[static_cast<std::size_t>(source[k])] += a.g.at(i);
  }
  PoolCall backward = a.call(Pass::slope);
  backward.x = dx.view();
  run(backward);
  for (std::int64_t i = 0; i < dx.count(); ++i)
    expect_near(dx.at(i), want[static_cast<std::size_t>(i)], a.c.dtype);
}

void check_average(Arrays& a) {
  std::vector<double> value(static_cast<std::size_t>(a.y.count()));
  std::vector<double> area(value.size(), a.c.window.height * a.c.window.width);
  if (!a.c.counts_padding) {
    std::fill(area.begin(), area.end(), 0);
    a.for_taps([&](std::int64_t out, std::int64_t, std::int64_t) {
      ++area[static_cast<std::size_t>(out)];
    });
  }
  Array dx(a.c.dtype, a.x.view().sizes);
  dx.fill(0.5);
  std::vector<double> slope(static_cast<std::size_t>(dx.count()),
                            a.c.write == Write::add ? 0.5 : 0);
  a.for_taps([&](std::int64_t out, std::int64_t in, std::int64_t) {
    value[static_cast<std::size_t>(out)] += a.x.at(in) / area[static_cast<std::size_t>(out)];
    slope[static_cast<std::size_t>(in)] += a.g.at(out) / area[static_cast<std::size_t>(out)];
  });
  run(a.call(Pass::value));
  for (std::int64_t i = 0; i < a.y.count(); ++i)
    expect_near(a.y.at(i), value[static_cast<std::size_t>(i)], a.c.dtype);
  PoolCall backward = a.call(Pass::slope);
  backward.x = dx.view();
  run(backward);
  for (std::int64_t i = 0; i < dx.count(); ++i)
    expect_near(dx.at(i), slope[static_cast<std::size_t>(i)], a.c.dtype);
}

int pick(std::mt19937& random, std::initializer_list<int> choices) {
  return choices.begin()[std::uniform_int_distribution<std::size_t>(0, choices.size() - 1)(random)];
}

Case random_case(std::mt19937& random) {
  for (;;) {
    Case c;
    c.op = pick(random, {0, 1}) == 0 ? PoolOp::max : PoolOp::average;
    c.dtype = std::initializer_list<DType>{DType::f64, DType::f32, DType::bf16, DType::f16}
                  .begin()[pick(random, {0, 1, 1, 2, 2, 3})];
    c.images = pick(random, {0, 1, 3});
    c.height = pick(random, {1, 2, 4, 5, 7, 8});
    c.width = pick(random, {1, 2, 4, 6, 7, 9});
    c.channels = pick(random, {1, 3, 8, 16, 19, 32, 40});
    const bool is_plain = pick(random, {0, 1}) == 0;
    c.window = {pick(random, {1, 2, 3}), pick(random, {1, 2, 3}), pick(random, {1, 2, 3}),
                pick(random, {1, 2, 3}), pick(random, {0, 1, 2}), pick(random, {0, 1, 2})};
    if (is_plain) c.window = {2, 2, 2, 2, 0, 0};
    c.write = pick(random, {0, 1}) == 0 ? Write::store : Write::add;
    c.counts_padding = pick(random, {0, 1}) == 0;
    c.below = pick(random, {-1, 0, 0, 1});
    c.right = pick(random, {-1, 0, 0, 1});
    if (c.height + 2 * c.window.pad_height + c.below >= c.window.height &&
        c.width + 2 * c.window.pad_width + c.right >= c.window.width &&
        c.window.pad_height + c.below >= 0 && c.window.pad_width + c.right >= 0) {
      return c;
    }
  }
}

TEST_P(Pooling, AgreesWithItsDefinitionOnRandomShapes) {
  for (int i = 0; i < 500; ++i) {
    Arrays arrays(random_case(random_), random_);
    SCOPED_TRACE(::testing::Message() << arrays.c);
    core::use_threads(1 + i % 3);
    arrays.c.op == PoolOp::max ? check_max(arrays) : check_average(arrays);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Pooling, LetsTheFirstNanWin) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (const std::int64_t channels : {1, 16, 21}) {
      Arrays arrays({.dtype = dtype, .images = 1, .channels = channels}, random_);
      arrays.x.set(channels, std::nan(""));            // plane offset 1
      arrays.x.set((4 + 1) * channels, std::nan(""));  // plane offset 5, the same window
      run(arrays.call(Pass::value));
      EXPECT_TRUE(std::isnan(arrays.y.at(0)));
      EXPECT_EQ(arrays.indices.at(0), 1);
    }
  }
}

}  // namespace
}  // namespace lockstep::kernels
