// Who computes a row together: a Team owns the lanes, their sums and their maxima.
#pragma once

#include <cstdint>

#include "kernels/math/hd.h"

namespace lockstep::kernels::math {

// The larger of two; NaN where either is.
template <class A> LS_HD A larger(A a, A b) { return a > b || a != a ? a : b; }
template <class A> LS_HD A smaller(A a, A b) { return a < b || a != a ? a : b; }

// A Team has, the same on every lane,
//   fold(n, start, f, join)     the join of f(0) ... f(n - 1), each once
//   sum<A>(n, f), max<A>(n, f)  their sum and their larger()
// and
//   each(n, f)                  f(0) ... f(n - 1), in any order; what follows sees what it wrote
//   leads()                     true on one lane: the one that writes results of the whole row
// SerialTeam is one thread whose lanes are those of a few vector registers.
struct SerialTeam {
  static constexpr int lanes = 64;

  template <class A, class F, class Join>
  LS_HD A fold(std::int64_t n, A start, const F& f, const Join& join) const {
    if (n < lanes) return folded_few<A>(n, start, f, join);
    A partial[lanes];
    for (A& each : partial) each = start;
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) partial[lane] = join(partial[lane], f(i + lane));
    }
    const int rest = static_cast<int>(n - i);
#pragma omp simd
    for (int lane = 0; lane < rest; ++lane) partial[lane] = join(partial[lane], f(i + lane));
    return joined<lanes>(partial, join);
  }
  template <class A, class F> LS_HD A sum(std::int64_t n, const F& f) const {
    return fold<A>(n, A(0), f, [](A a, A b) { return a + b; });
  }
  template <class A, class F> LS_HD A max(std::int64_t n, const F& f) const {
    return fold<A>(n, -A(__builtin_huge_val()), f, [](A a, A b) { return larger(a, b); });
  }
  template <class F> LS_HD void each(std::int64_t n, const F& f) const {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  LS_HD bool leads() const { return true; }

 private:
  // Lanes past the end look at the last element once more and leave it out.
  template <class A, class F, class Join>
  LS_HD A folded_few(std::int64_t n, A start, const F& f, const Join& join) const {
    constexpr int few = 16;
    A partial[few];
    for (A& each : partial) each = start;
    for (std::int64_t i = 0; i < n; i += few) {
      const int last = static_cast<int>(n - i) - 1;
#pragma omp simd
      for (int lane = 0; lane < few; ++lane) {
        const A value = f(i + (lane < last ? lane : last));
        partial[lane] = lane <= last ? join(partial[lane], value) : partial[lane];
      }
    }
    return joined<few>(partial, join);
  }
  template <int count, class A, class Join>
  LS_HD A joined(A (&partial)[count], const Join& join) const {
    for (int width = count / 2; width > 0; width /= 2) {
      for (int lane = 0; lane < width; ++lane) {
        partial[lane] = join(partial[lane], partial[lane + width]);
      }
    }
    return partial[0];
  }
};

// Several lanes side by side: lane i takes elements i, i + lanes, ... `Lanes` gives lane(),
// lanes(), wait() for what others wrote, and joined(own, join): the join of all lanes' numbers, the
// same on every lane. Warps and blocks of a GPU are such lanes, and threads of the host in tests.
template <class Lanes> struct LaneTeam : Lanes {
  template <class A, class F, class Join>
  LS_HD A fold(std::int64_t n, A start, const F& f, const Join& join) const {
    A own = start;
    for (std::int64_t i = this->lane(); i < n; i += this->lanes()) own = join(own, A(f(i)));
    return this->joined(own, join);
  }
  template <class A, class F> LS_HD A sum(std::int64_t n, const F& f) const {
    return fold(n, A(0), f, [](A a, A b) { return a + b; });
  }
  template <class A, class F> LS_HD A max(std::int64_t n, const F& f) const {
    return fold(n, -A(__builtin_huge_val()), f, [](A a, A b) { return larger(a, b); });
  }
  template <class F> LS_HD void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = this->lane(); i < n; i += this->lanes()) f(i);
    this->wait();
  }
  LS_HD bool leads() const { return this->lane() == 0; }
};

}  // namespace lockstep::kernels::math
