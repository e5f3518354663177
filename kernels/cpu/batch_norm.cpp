#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/simd.h"
#include "kernels/host.h"
#include "kernels/math/hd.h"
#include "kernels/math/moments.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

// Elements that stay in the first-level cache while they are read twice: once for their mean, once
// for the squares about it.
constexpr std::int64_t cached_elements = 4096;
constexpr std::int64_t part_elements = 64 * 1024;

using math::Moments;
using Channels = std::vector<double>;

Channels read(const View& view, std::int64_t channels, double otherwise) {
  Channels values(static_cast<std::size_t>(channels), otherwise);
  if (view.data == nullptr) return values;
  with_type(view.dtype, [&]<class T>(T) {
    load_run(view.as<T>(), view.strides[view.rank() - 1], values.data(), channels);
  });
  return values;
}

void write(const View& view, const Channels& values, Write how = Write::store) {
  if (view.data == nullptr) return;
  with_type(view.dtype, [&]<class T>(T) {
    const std::int64_t stride = view.strides[view.rank() - 1];
    for (std::size_t c = 0; c < values.size(); ++c) {
      T& place = view.as<T>()[static_cast<std::int64_t>(c) * stride];
      const double before = how == Write::add ? converted<double>(place) : 0.0;
      place = converted<T>(before + values[c]);
    }
  });
}

// [rows, channels] as lines of at least a few vectors: short rows lie side by side in a line, and
// what is said of the channels is repeated along it.
struct Lines {
  std::int64_t channels;
  std::int64_t rows;
  std::int64_t width;     // of a line, a multiple of channels
  std::int64_t per_part;  // elements that one thread takes at a time, whole lines

  Lines(std::int64_t rows_, std::int64_t channels_) : channels(channels_), rows(rows_) {
    width = channels * std::max<std::int64_t>(1, 128 / std::max<std::int64_t>(1, channels));
    per_part = std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, width)) * width;
  }
  std::int64_t elements() const { return rows * channels; }

  template <class A> std::vector<A> repeated(const Channels& values) const {
    std::vector<A> line(static_cast<std::size_t>(width));
    repeat(values, line.data());
    return line;
  }
  // Adds a line's elements to the sums of their channels.
  template <class A> void gather(const A* line, Channels& sums) const {
    for (std::int64_t first = 0; first < width; first += channels) {
      for (std::int64_t c = 0; c < channels; ++c) {
        sums[static_cast<std::size_t>(c)] += static_cast<double>(line[first + c]);
      }
    }
  }
  // Writes the channels' values side by side along a line.
  template <class A> void repeat(const Channels& values, A* line) const {
    for (std::int64_t first = 0; first < width; first += channels) {
      for (std::int64_t c = 0; c < channels; ++c) {
        line[first + c] = static_cast<A>(values[static_cast<std::size_t>(c)]);
      }
    }
  }
};

template <class T> class Job {
 public:
  using A = Real<T>;
  using Line = std::vector<A>;

  explicit Job(const BatchNormCall& call)
      : call_(call),
        channels_(call.x.sizes[call.x.rank() - 1]),
        lines_(channels_ == 0 ? 0 : call.x.elements() / channels_, channels_) {}

  void value() const {
    Channels mean = read(call_.running_mean, channels_, 0);
    Channels variance = read(call_.running_variance, channels_, 1);
    if (call_.training) {
      const Moments moments = statistics();
      move_running(moments, mean, variance);
      mean = moments.mean;
      variance = moments.squares;
      for (double& each : variance) each /= moments.count;
    }
    for (double& each : variance) each = 1 / std::sqrt(each + call_.epsilon);
    if (call_.training) {
      write(call_.mean, mean);
      write(call_.inverse_deviation, variance);
    }
    call_.relu ? normalise<true>(mean, variance) : normalise<false>(mean, variance);
  }

  void slope() const {
    const Channels mean = read(call_.mean, channels_, 0);
    const Channels deviation = read(call_.inverse_deviation, channels_, 1);
    Channels sum(mean.size()), product(mean.size());
    call_.relu ? sums<true>(mean, deviation, sum, product)
               : sums<false>(mean, deviation, sum, product);
    write(call_.dbias, sum, call_.write_bias);
    write(call_.dweight, product, call_.write_weight);
    if (call_.dx.data == nullptr) return;
    call_.relu ? distribute<true>(mean, deviation, sum, product)
               : distribute<false>(mean, deviation, sum, product);
  }

 private:
  // Calls body(element, n) for every line, or the part of one at the end.
  template <class Body>
  void each_line(std::int64_t begin, std::int64_t end, const Body& body) const {
    for (std::int64_t i = begin; i < end; i += lines_.width)
      body(i, std::min(lines_.width, end - i));
  }
  template <class Body> void in_parallel(const Body& body) const {
    core::parallel_chunks(threads(), lines_.elements(), lines_.per_part, body);
  }
  std::size_t parts() const {
    return static_cast<std::size_t>((lines_.elements() + lines_.per_part - 1) / lines_.per_part);
  }

  Moments statistics() const {
    std::vector<Moments> part(parts(), Moments(channels_));
    in_parallel([&](std::int64_t begin, std::int64_t end) {
      Moments& moments = part[static_cast<std::size_t>(begin / lines_.per_part)];
      const std::int64_t step =
          std::max<std::int64_t>(1, cached_elements / lines_.width) * lines_.width;
      Line sum(static_cast<std::size_t>(lines_.width)), shift(sum.size());
      Moments block(channels_);
      for (std::int64_t i = begin; i < end; i += step) {
        take_block(i, std::min(step, end - i), sum, shift, block);
        moments.join(block);
      }
    });
    Moments all(channels_);
    for (const Moments& each : part) all.join(each);
    return all;
  }

  // The moments of elements [first, first + n), a few lines: their mean, then the squares about it.
  void take_block(std::int64_t first, std::int64_t n, Line& sum, Line& shift,
                  Moments& block) const {
    const T* const x = call_.x.template as<T>();
    const std::int64_t rows = n / channels_;
    block.count = static_cast<double>(rows);
    for (Channels* sums : {&block.mean, &block.squares}) std::fill(sums->begin(), sums->end(), 0.0);
    std::fill(sum.begin(), sum.end(), A(0));
    each_line(first, first + n, [&](std::int64_t i, std::int64_t count) {
      LS_SIMD
      for (std::int64_t c = 0; c < count; ++c)
        sum[static_cast<std::size_t>(c)] += converted<A>(x[i + c]);
    });
    lines_.gather(sum.data(), block.mean);
    for (double& each : block.mean) each /= block.count;
    lines_.repeat(block.mean, shift.data());
    std::fill(sum.begin(), sum.end(), A(0));
    each_line(first, first + n, [&](std::int64_t i, std::int64_t count) {
      LS_SIMD
      for (std::int64_t c = 0; c < count; ++c) {
        const A distance = converted<A>(x[i + c]) - shift[static_cast<std::size_t>(c)];
        sum[static_cast<std::size_t>(c)] += distance * distance;
      }
    });
    lines_.gather(sum.data(), block.squares);
  }

  // The squares are about the rounded mean of a block, which moves them by a rounding error squared
  // only.
  void move_running(const Moments& moments, Channels& mean, Channels& variance) const {
    const double degrees = std::max(1.0, moments.count - 1);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      mean[c] += call_.momentum * (moments.mean[c] - mean[c]);
      variance[c] += call_.momentum * (moments.squares[c] / degrees - variance[c]);
    }
    write(call_.running_mean, mean);
    write(call_.running_variance, variance);
  }

  template <bool relu> void normalise(const Channels& mean, const Channels& deviation) const {
    Channels factor = read(call_.weight, channels_, 1);
    for (std::size_t c = 0; c < factor.size(); ++c) factor[c] *= deviation[c];
    const Line scale = lines_.template repeated<A>(factor);
    const Line centre = lines_.template repeated<A>(mean);
    const Line bias = lines_.template repeated<A>(read(call_.bias, channels_, 0));
    const A *s = scale.data(), *m = centre.data(), *b = bias.data();
    in_parallel([&](std::int64_t begin, std::int64_t end) {
      each_line(begin, end, [&](std::int64_t i, std::int64_t count) {
        const T* const x = call_.x.template as<T>() + i;
        T* const y = call_.y.template as<T>() + i;
        LS_SIMD
        for (std::int64_t c = 0; c < count; ++c) {
          const A value = (converted<A>(x[c]) - m[c]) * s[c] + b[c];
          y[c] = converted<T>(relu && value < A(0) ? A(0) : value);
        }
      });
    });
  }

  // g, stopped where the ReLU was at rest.
  template <bool relu> LS_HD A gradient(const T* g, const T* y, std::int64_t i) const {
    const A value = converted<A>(g[i]);
    return relu ? value * (converted<A>(y[i]) > A(0) ? A(1) : A(0)) : value;
  }

  template <bool relu>
  void sums(const Channels& mean, const Channels& deviation, Channels& sum,
            Channels& product) const {
    const Line centre = lines_.template repeated<A>(mean);
    const Line inverse = lines_.template repeated<A>(deviation);
    std::vector<Channels> partial(2 * parts(), Channels(mean.size()));
    in_parallel([&](std::int64_t begin, std::int64_t end) {
      const auto place = static_cast<std::size_t>(begin / lines_.per_part);
      Line of_g(centre.size()), of_product(centre.size());
      A *s = of_g.data(), *p = of_product.data();
      const A *m = centre.data(), *d = inverse.data();
      each_line(begin, end, [&](std::int64_t i, std::int64_t count) {
        const T* const x = call_.x.template as<T>() + i;
        const T* const g = call_.g.template as<T>() + i;
        const T* const y = relu ? call_.y.template as<T>() + i : g;
        LS_SIMD
        for (std::int64_t c = 0; c < count; ++c) {
          const A each = gradient<relu>(g, y, c);
          s[c] += each;
          p[c] += each * ((converted<A>(x[c]) - m[c]) * d[c]);
        }
      });
      lines_.gather(s, partial[2 * place]);
      lines_.gather(p, partial[2 * place + 1]);
    });
    for (std::size_t k = 0; k < partial.size(); k += 2) {
      for (std::size_t c = 0; c < sum.size(); ++c) {
        sum[c] += partial[k][c];
        product[c] += partial[k + 1][c];
      }
    }
  }

  // dx = weight * deviation * (g - mean(g) - normalised x * mean(g * normalised x)), as factor * g
  // + slope * (x - mean) + shift.
  template <bool relu>
  void distribute(const Channels& mean, const Channels& deviation, const Channels& sum,
                  const Channels& product) const {
    Channels factor = read(call_.weight, channels_, 1), shift(mean.size()), slope(mean.size());
    const double part = call_.training ? 1.0 / static_cast<double>(lines_.rows) : 0.0;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      factor[c] *= deviation[c];
      shift[c] = -factor[c] * sum[c] * part;
      slope[c] = -factor[c] * product[c] * part * deviation[c];
    }
    const Line fs = lines_.template repeated<A>(factor), ts = lines_.template repeated<A>(shift);
    const Line ks = lines_.template repeated<A>(slope), ms = lines_.template repeated<A>(mean);
    const A *f = fs.data(), *t = ts.data(), *k = ks.data(), *m = ms.data();
    const bool is_added = call_.write_x == Write::add;
    in_parallel([&](std::int64_t begin, std::int64_t end) {
      each_line(begin, end, [&](std::int64_t i, std::int64_t count) {
        const T* const x = call_.x.template as<T>() + i;
        const T* const g = call_.g.template as<T>() + i;
        const T* const y = relu ? call_.y.template as<T>() + i : g;
        T* const dx = call_.dx.template as<T>() + i;
        LS_SIMD
        for (std::int64_t c = 0; c < count; ++c) {
          const A each =
              f[c] * gradient<relu>(g, y, c) + (k[c] * (converted<A>(x[c]) - m[c]) + t[c]);
          dx[c] = converted<T>(is_added ? converted<A>(dx[c]) + each : each);
        }
      });
    });
  }

  const BatchNormCall& call_;
  std::int64_t channels_;
  Lines lines_;
};

}  // namespace

void batch_norm(const BatchNormCall& call) {
  if (call.x.elements() == 0 && call.pass == Pass::value) return;
  with_type(call.x.dtype, [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T> || is_half<T>) {
      const Job<T> job(call);
      call.pass == Pass::value ? job.value() : job.slope();
    } else {
      fail("batch_norm: the input is not of a floating-point type", "convert it to f32");
    }
  });
}

}  // namespace lockstep::kernels::cpu
