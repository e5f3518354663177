#include "kernels/math/random.h"

#include <cmath>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/simd.h"
#include "kernels/host.h"
#include "kernels/loop.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t block = 512;  // words that are made at a time
constexpr std::int64_t grain = 16 * 1024;

// RngKey::words for 16 counters from `counter` on, in vector lanes.
void sixteen_counters(const core::RngKey& key, std::uint64_t counter, std::uint32_t* words) {
  constexpr int n = 16;
  std::uint32_t c0[n], c1[n], c2[n], c3[n];
  for (int k = 0; k < n; ++k) {
    const std::uint64_t own = counter + static_cast<std::uint64_t>(k);
    c0[k] = static_cast<std::uint32_t>(own);
    c1[k] = key.ordinal | static_cast<std::uint32_t>(own >> 32) << 24;
    c2[k] = key.shard;
    c3[k] = key.step;
  }
  auto k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    LS_SIMD
    for (int k = 0; k < n; ++k) {
      const std::uint64_t low = std::uint64_t{0xD2511F53U} * c0[k];
      const std::uint64_t high = std::uint64_t{0xCD9E8D57U} * c2[k];
      c0[k] = static_cast<std::uint32_t>(high >> 32) ^ c1[k] ^ k0;
      c2[k] = static_cast<std::uint32_t>(low >> 32) ^ c3[k] ^ k1;
      c1[k] = static_cast<std::uint32_t>(high);
      c3[k] = static_cast<std::uint32_t>(low);
    }
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  LS_SIMD
  for (int k = 0; k < n; ++k) {
    words[4 * k] = c0[k];
    words[4 * k + 1] = c1[k];
    words[4 * k + 2] = c2[k];
    words[4 * k + 3] = c3[k];
  }
}

// Words [first, first + count) of a call and up to 63 more; first a multiple of 4.
void fill_words(const core::RngKey& key, std::int64_t first, std::int64_t count,
                std::uint32_t* words) {
  for (std::int64_t i = 0; i < count; i += 64) {
    sixteen_counters(key, static_cast<std::uint64_t>(first + i) / 4, words + i);
  }
}

// The loops below run over whole blocks of lanes, so that an element's bits do not depend on where
// a call ends.

template <class A>
void uniforms(const std::uint32_t* words, A* out, std::int64_t n, A low, A width, A most) {
  n = whole_blocks(n);
  LS_SIMD
  for (std::int64_t i = 0; i < n; ++i) out[i] = math::uniform(words[i], low, width, most);
}

template <class A>
void normals(const std::uint32_t* words, A* out, std::int64_t n, A mean, A deviation) {
  const std::int64_t pairs = whole_blocks(n) / 2;
  alignas(64) A units[block], radius[block / 2], sine[block / 2], cosine[block / 2];
  A *const unit = units, *const angle = units + block / 2;
  for (std::int64_t i = 0; i < pairs; ++i) {
    unit[i] = math::radius_unit<A>(words[2 * i]);
    angle[i] = math::angle<A>(words[2 * i + 1]);
  }
  const std::int64_t padded = whole_blocks(pairs + lane_block - 1);
  std::fill(unit + pairs, unit + padded, A(1));
  std::fill(angle + pairs, angle + padded, A(0));
  LS_SIMD
  for (std::int64_t i = 0; i < padded; ++i) radius[i] = math::radius(unit[i], deviation);
  LS_SIMD
  for (std::int64_t i = 0; i < padded; ++i) sine[i] = std::sin(angle[i]);
  LS_SIMD
  for (std::int64_t i = 0; i < padded; ++i) cosine[i] = std::cos(angle[i]);
  LS_SIMD
  for (std::int64_t i = 0; i < pairs; ++i) {
    out[2 * i] = mean + radius[i] * cosine[i];
    out[2 * i + 1] = mean + radius[i] * sine[i];
  }
}

template <class T> class Job {
 public:
  using A = Real<T>;

  explicit Job(const RandomCall& call)
      : call_(call), has_input_(call.op == RandomOp::dropout), most_(A(0)) {
    loop_ = loop_over<2>({&call.out, has_input_ ? &call.in : &call.out});
    loop_.merge();
    if (call.op == RandomOp::uniform) most_ = math::just_below<T>(call.b);
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
    const std::int64_t padded = (n + 63) / 64 * 64;
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
    const std::uint64_t threshold = math::dropout_threshold(call_.a);
    const A scale = static_cast<A>(1 / (1 - call_.a));
    LS_SIMD
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
