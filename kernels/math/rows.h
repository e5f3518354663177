// Every row op (softmax, losses, layer normalisation), written against a Team that owns lanes and
// their reductions.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/functions.h"
#include "kernels/math/hd.h"
#include "kernels/math/op_list.h"
#include "kernels/math/team.h"

namespace lockstep::kernels::math {

// An op's value(team, row) and slope(team, row) compute one row. A Row has
//   Real                     the type to compute in
//   count()                  elements along the axis
//   in(k, i), put(k, i, v)   element i of in[k]; stores v in, or adds it to, element i of out[k]
//   keeps, kept(k, i)        whether what was put can be read back unrounded, before anything is
//   added; and that has(k)                   whether in[k] is given real(k), whole(k)        the
//   one element of in[k], where in[k] has no axis: as Real, as i64 put(k, v)                the one
//   element of out[k] scalar(k)                scalars[k] of the call

// Softmax: value in = {x}, out = {y}; slope in = {y, g}, out = {dx}.
struct Softmax {
  static constexpr const char* name = "softmax";

  template <class Team, class Row> LS_HD static void value(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const std::int64_t n = row.count();
    const A top = team.template max<A>(n, [&](std::int64_t i) { return row.in(0, i); });
    const A sum = team.template sum<A>(n, [&](std::int64_t i) {
      const A each = exponential(row.in(0, i) - top);
      if constexpr (Row::keeps) row.put(0, i, each);
      return each;
    });
    const A scale = A(1) / sum;
    team.each(n, [&](std::int64_t i) {
      const A each = Row::keeps ? row.kept(0, i) : exponential(row.in(0, i) - top);
      row.put(0, i, each * scale);
    });
  }
  template <class Team, class Row> LS_HD static void slope(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const std::int64_t n = row.count();
    const A dot =
        team.template sum<A>(n, [&](std::int64_t i) { return row.in(0, i) * row.in(1, i); });
    team.each(n, [&](std::int64_t i) { row.put(0, i, row.in(0, i) * (row.in(1, i) - dot)); });
  }
};

template <class Team, class Row>
LS_HD typename Row::Real log_sum_exp(const Team& team, const Row& row) {
  using A = typename Row::Real;
  const std::int64_t n = row.count();
  const A top = team.template max<A>(n, [&](std::int64_t i) { return row.in(0, i); });
  const A sum =
      team.template sum<A>(n, [&](std::int64_t i) { return exponential(row.in(0, i) - top); });
  return top + std::log(sum);
}

// LogSoftmax: value in = {x}, out = {y}; slope in = {y, g}, out = {dx}.
struct LogSoftmax {
  static constexpr const char* name = "log_softmax";

  template <class Team, class Row> LS_HD static void value(const Team& team, const Row& row) {
    const auto log_sum = log_sum_exp(team, row);
    team.each(row.count(), [&](std::int64_t i) { row.put(0, i, row.in(0, i) - log_sum); });
  }
  template <class Team, class Row> LS_HD static void slope(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const std::int64_t n = row.count();
    const A sum = team.template sum<A>(n, [&](std::int64_t i) { return row.in(1, i); });
    team.each(
        n, [&](std::int64_t i) { row.put(0, i, row.in(1, i) - exponential(row.in(0, i)) * sum); });
  }
};

// Softmax and cross-entropy in one: the loss of row i is weight[i] * -log softmax(x[i])[target[i]].
// value: in = {x [n, c], target [n] i64, weight [n] or null}, out = {loss [n], log_sum_exp [n]}.
// slope: in = {x, target, scaled weight [n] (weight * g, 0 stride allowed), log_sum_exp [n]}, out =
// {dx}: probabilities are not stored.
struct CrossEntropy {
  static constexpr const char* name = "cross_entropy";

  template <class Team, class Row> LS_HD static void value(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const A log_sum = log_sum_exp(team, row);
    if (!team.leads()) return;
    const A loss = log_sum - row.in(0, row.whole(1));
    row.put(0, row.has(2) ? row.real(2) * loss : loss);
    row.put(1, log_sum);
  }
  template <class Team, class Row> LS_HD static void slope(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const std::int64_t target = row.whole(1);
    const A weight = row.real(2);
    const A log_sum = row.real(3);
    team.each(row.count(), [&](std::int64_t i) {
      const A probability = exponential(row.in(0, i) - log_sum);
      row.put(0, i, weight * (probability - (i == target ? A(1) : A(0))));
    });
  }
};

// Layer normalisation (Ba, Kiros, Hinton, 2016): (x - mean) / sqrt(variance + scalar 0) * weight +
// bias. value: in = {x, weight or null, bias or null}, out = {y}; slope: in = {x, g, weight or
// null}, out = {dx}. The moments are computed again for the slope rather than kept.
struct LayerNorm {
  static constexpr const char* name = "layer_norm";

  template <class A> struct Moments { A mean, inverse_deviation; };
  template <class Team, class Row>
  LS_HD static Moments<typename Row::Real> moments(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const std::int64_t n = row.count();
    const A share = A(1) / A(n);
    const A mean = share * team.template sum<A>(n, [&](std::int64_t i) { return row.in(0, i); });
    const A variance = share * team.template sum<A>(n, [&](std::int64_t i) {
      const A distance = row.in(0, i) - mean;
      return distance * distance;
    });
    return Moments<A>{mean, A(1) / std::sqrt(variance + A(row.scalar(0)))};
  }

  template <class Team, class Row> LS_HD static void value(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const Moments<A> of = moments(team, row);
    team.each(row.count(), [&](std::int64_t i) {
      const A weight = row.has(1) ? row.in(1, i) : A(1);
      const A bias = row.has(2) ? row.in(2, i) : A(0);
      row.put(0, i, (row.in(0, i) - of.mean) * of.inverse_deviation * weight + bias);
    });
  }
  template <class Team, class Row> LS_HD static void slope(const Team& team, const Row& row) {
    using A = typename Row::Real;
    const std::int64_t n = row.count();
    const Moments<A> of = moments(team, row);
    const A share = A(1) / A(n);
    const auto normal = [&](std::int64_t i) {
      return (row.in(0, i) - of.mean) * of.inverse_deviation;
    };
    const auto arrived = [&](std::int64_t i) {
      return row.has(2) ? row.in(1, i) * row.in(2, i) : row.in(1, i);
    };
    const A all = share * team.template sum<A>(n, arrived);
    const A along =
        share * team.template sum<A>(n, [&](std::int64_t i) { return arrived(i) * normal(i); });
    team.each(n, [&](std::int64_t i) {
      row.put(0, i, of.inverse_deviation * (arrived(i) - all - along * normal(i)));
    });
  }
};

using Rows = OpList<Softmax, LogSoftmax, CrossEntropy, LayerNorm>;

}  // namespace lockstep::kernels::math
