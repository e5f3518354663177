#include <cmath>
#include <limits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/host.h"
#include "kernels/cpu/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t block = 512;  // words that are made at a time
constexpr std::int64_t grain = 16 * 1024;

// Words [first, first + count) of a call, first a multiple of 4.
void fill_words(const core::RngKey& key, std::int64_t first, std::int64_t count,
                std::uint32_t* words) {
  for (std::int64_t i = 0; i < count; i += 4) {
    const core::Words four = key.words(static_cast<std::uint64_t>(first + i) / 4);
    for (int k = 0; k < 4; ++k) words[i + k] = four[static_cast<std::size_t>(k)];
  }
}

// The largest value of T below `bound`.
template <class T> Real<T> just_below(double bound) {
  using A = Real<T>;
  A value = static_cast<A>(bound);
  if constexpr (!is_half<T>) {
    return static_cast<double>(value) < bound
               ? value
               : std::nextafter(value, -std::numeric_limits<A>::infinity());
  } else {
    A step = std::nextafter(value, -std::numeric_limits<A>::infinity());
    while (static_cast<double>(converted<A>(T(step))) >= bound)
      step -= std::abs(value) * A(0x1p-12) + A(0x1p-26);
    return converted<A>(T(step));
  }
}

template <class A>
void uniforms(const std::uint32_t* words, A* out, std::int64_t n, A low, A width, A most) {
  for (std::int64_t i = 0; i < n; ++i) {
    const A unit = static_cast<A>(words[i] >> 8) * A(0x1p-24);
    const A value = low + width * unit;
    out[i] = value > most ? most : value;
  }
}

// Box, Muller, "A note on the generation of random normal deviates", 1958: words 2k and 2k + 1 make
// elements 2k (cosine) and 2k + 1 (sine).
template <class A>
void normals(const std::uint32_t* words, A* out, std::int64_t n, A mean, A deviation) {
  for (std::int64_t i = 0; i < n; i += 2) {
    const A unit = (static_cast<A>(words[i]) + A(0.5)) * A(0x1p-32);
    const A angle = static_cast<A>(words[i + 1] >> 8) * A(0x1p-24 * 6.283185307179586476925);
    const A radius = deviation * std::sqrt(A(-2) * std::log(unit));
    out[i] = mean + radius * std::cos(angle);
    out[i + 1] = mean + radius * std::sin(angle);
  }
}

template <class T> class Job {
 public:
  using A = Real<T>;

  explicit Job(const RandomCall& call)
      : call_(call), has_input_(call.op == RandomOp::dropout), most_(A(0)) {
    loop_ = loop_over<2>({&call.out, has_input_ ? &call.in : &call.out});
    loop_.merge();
    if (call.op == RandomOp::uniform) most_ = just_below<T>(call.b);
  }

  void run() const {
    core::parallel_chunks(threads(), loop_.elements(), grain,
                          [&](std::int64_t begin, std::int64_t end) {
                            for (std::int64_t i = begin; i < end; i += block)
                              one_block(i, std::min(block, end - i));
                          });
  }

 private:
  void one_block(std::int64_t first, std::int64_t n) const {
    alignas(64) std::uint32_t words[block];
    alignas(64) A values[block];
    const std::int64_t padded = (n + 3) / 4 * 4;
    fill_words(*call_.key, first, padded, words);
    if (call_.op == RandomOp::uniform) {
      uniforms(words, values, padded, A(call_.a), A(call_.b - call_.a), most_);
    } else if (call_.op == RandomOp::normal) {
      normals(words, values, padded, A(call_.a), A(call_.b));
    } else {
      drop(first, n, words, values);
    }
    std::int64_t done = 0;
    for_runs(loop_, first, first + n, [&](const std::int64_t* at, std::int64_t count) {
      T* out = call_.out.template as<T>() + at[0];
      const std::int64_t stride = loop_.inner_stride(0);
      if (call_.write == Write::add) {
        for (std::int64_t i = 0; i < count; ++i) values[done + i] += converted<A>(out[i * stride]);
      }
      store_run(values + done, out, stride, count);
      done += count;
    });
  }

  void drop(std::int64_t first, std::int64_t n, const std::uint32_t* words, A* values) const {
    std::int64_t done = 0;
    for_runs(loop_, first, first + n, [&](const std::int64_t* at, std::int64_t count) {
      load_run(call_.in.template as<T>() + at[1], loop_.inner_stride(1), values + done, count);
      done += count;
    });
    const double bound = std::ceil(call_.a * 0x1p32);
    const auto threshold = static_cast<std::uint64_t>(bound);
    const A scale = static_cast<A>(1 / (1 - call_.a));
    for (std::int64_t i = 0; i < n; ++i)
      values[i] = words[i] >= threshold ? values[i] * scale : A(0);
  }

  const RandomCall& call_;
  bool has_input_;
  A most_;
  Loop<2> loop_;
};

}  // namespace

void random(const RandomCall& call) {
  if (call.out.elements() == 0) return;
  switch (call.out.dtype) {
    case DType::f64:
      return Job<double>(call).run();
    case DType::f32:
      return Job<float>(call).run();
    case DType::f16:
      return Job<float16>(call).run();
    case DType::bf16:
      return Job<bfloat16>(call).run();
    default:
      fail("random: the result is not of a floating-point type", "give f32, f64, f16 or bf16");
  }
}

}  // namespace lockstep::kernels::cpu
