// Reductions in stages of fixed parts, whose results are folded in their order: no atomics, so that
// the bits are the same every time.
#pragma once

#include <limits>
#include <type_traits>

#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "kernels/math/team.h"
#include "lockstep/core/allocator.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

// Elements of a result that one team reduces, and of a column that one thread does. A part of the
// result's definition.
inline constexpr std::int64_t team_part = 4 * 1024, column_part = 128;
inline constexpr std::int64_t longest_narrow_part = 512;  // for which a warp is enough
inline constexpr std::int64_t fewest_columns = 16;

enum class FoldKind : std::uint8_t { sum, sum_of_squares, max, min };

// in: elements, or the parts of the stage before. out: the results.
struct ReduceStage {
  Walk<2> kept;     // out, in
  Walk<1> reduced;  // in
  const void* in;
  void* out;
  void* parts;            // of this stage, [part][result]; null in the last
  std::int64_t count;     // elements of a result
  std::int64_t per_part;  // of which a team or thread takes so many
  std::uint32_t part_count;
  FoldKind fold;
  bool is_added;
  double scale;

  LS_HD std::int64_t place(std::int64_t i) const {
    std::int64_t offset[1];
    reduced.find(static_cast<std::uint32_t>(i), offset);
    return offset[0];
  }
};

// What results of parts are kept and folded in, so that long sums stay as exact as their parts.
template <class A> using PartOf = std::conditional_t<std::is_same_v<A, float>, double, A>;

template <class A> LS_HD A joined(FoldKind fold, A a, A b) {
  if (fold == FoldKind::max) return math::larger(a, b);
  if (fold == FoldKind::min) return math::smaller(a, b);
  return static_cast<A>(a + b);
}
template <class A> LS_HD A fold_start(FoldKind fold) {
  using Limits = std::numeric_limits<A>;
  if (fold == FoldKind::max) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  if (fold == FoldKind::min) return Limits::has_infinity ? Limits::infinity() : Limits::max();
  return A(0);
}
template <class A, class T> LS_HD A folded_element(FoldKind fold, T value) {
  const A x = math::converted<A>(value);
  return fold == FoldKind::sum_of_squares ? static_cast<A>(x * x) : x;
}

// The last stage writes a result, the others a part.
template <class Out, class A>
LS_HD void finish(const ReduceStage& s, std::int64_t out, std::uint32_t result, std::uint32_t part,
                  A value) {
  if (s.parts != nullptr) {
    static_cast<PartOf<A>*>(s.parts)[std::int64_t{part} * s.kept.steps + result] = value;
    return;
  }
  using Factor = std::conditional_t<std::is_integral_v<A>, double, A>;
  if (s.scale != 1)
    value = static_cast<A>(static_cast<Factor>(value) * static_cast<Factor>(s.scale));
  Out& place = static_cast<Out*>(s.out)[out];
  if (s.is_added) value = static_cast<A>(value + math::converted<A>(place));
  place = math::converted<Out>(value);
}

// A team for each part of each result.
template <class T, class A, class Out> struct ReduceTask {
  ReduceStage s;

  template <class Team> LS_HD void operator()(const Team& team, std::uint32_t task) const {
    const std::uint32_t result = task / s.part_count, part = task % s.part_count;
    std::int64_t at[2];
    s.kept.find(result, at);
    const T* const in = static_cast<const T*>(s.in) + at[1];
    const std::int64_t first = part * s.per_part;
    const std::int64_t rest = s.count - first;
    const A value = team.fold(
        rest < s.per_part ? rest : s.per_part, fold_start<A>(s.fold),
        [&](std::int64_t i) { return folded_element<A>(s.fold, in[s.place(first + i)]); },
        [&](A a, A b) { return joined(s.fold, a, b); });
    if (team.leads()) finish<Out>(s, at[0], result, part, value);
  }
};

// A thread for each part of each result, where neighbouring results lie side by side in memory.
template <class T, class A, class Out> struct ReduceColumnStep {
  ReduceStage s;

  LS_HD void operator()(std::uint32_t i) const {
    const std::uint32_t result = i % s.kept.steps, part = i / s.kept.steps;
    std::int64_t at[2];
    s.kept.find(result, at);
    const T* const in = static_cast<const T*>(s.in) + at[1];
    const std::int64_t first = part * s.per_part;
    const std::int64_t end = first + s.per_part < s.count ? first + s.per_part : s.count;
    // Several at a time: loads overlap, and sums of equal numbers stay exact for longer.
    A some[4];
    for (A& one : some) one = fold_start<A>(s.fold);
    for (std::int64_t k = first; k < end; k += 4) {
      for (int each = 0; each < 4; ++each) {
        if (k + each >= end) break;
        some[each] = joined(s.fold, some[each], folded_element<A>(s.fold, in[s.place(k + each)]));
      }
    }
    const A left = joined(s.fold, some[0], some[1]), right = joined(s.fold, some[2], some[3]);
    finish<Out>(s, at[0], result, part, joined(s.fold, left, right));
  }
};

// The axes that stay (out, in) and those that are reduced (in).
struct ReduceAxes {
  Loop<2> kept;
  Loop<1> reduced;

  explicit ReduceAxes(const ReduceCall& call) {
    for (int axis = 0; axis < call.in.rank(); ++axis) {
      const std::int64_t size = call.in.sizes[axis], in = call.in.strides[axis];
      if (size == 1) continue;
      if (call.out.sizes[axis] == size) {
        kept.append(size, {call.out.strides[axis], in});
      } else {
        reduced.append(size, {in});
      }
    }
    kept.sort();
    kept.merge();
    reduced.sort();
    reduced.merge();
  }
  bool are_columns() const {
    return kept.inner_stride(1) == 1 && kept.inner() >= fewest_columns &&
           reduced.inner_stride(0) != 1;
  }
};

template <class T, class A, class Out, class On>
void run_stage(const On& on, const ReduceStage& s, bool is_columns) {
  const std::uint32_t tasks = s.kept.steps * s.part_count;
  if (is_columns) {
    on.for_steps(tasks, ReduceColumnStep<T, A, Out>{s});
  } else {
    on.for_tasks(tasks, s.per_part > longest_narrow_part, ReduceTask<T, A, Out>{s});
  }
  on.launched("reduce", "");
}

// Cuts a stage into parts of `each` elements; `parts` is their memory where there are several.
template <class Part, class On> core::Memory cut(const On& on, ReduceStage& s, std::int64_t each) {
  s.per_part = std::min(s.count, each);
  s.part_count = s.count <= each ? 1 : static_cast<std::uint32_t>((s.count + each - 1) / each);
  if (s.part_count == 1) return {};
  core::Memory parts =
      on.memory().allocate(std::size_t{s.kept.steps} * s.part_count * sizeof(Part));
  s.parts = parts->data();
  return parts;
}

// The stage that folds the parts of `s`, whose results lie one behind the other.
inline ReduceStage stage_after(const ReduceStage& s, Loop<2> kept) {
  std::int64_t step = 1;
  for (int axis = kept.rank - 1; axis >= 0; --axis) {
    kept.strides[axis][1] = step;
    step *= kept.sizes[axis];
  }
  Loop<1> over_parts;
  over_parts.append(s.part_count, {step});
  ReduceStage next = s;
  next.kept = walk_of(kept, 1);
  next.reduced = walk_of(over_parts, 1);
  next.in = s.parts;
  next.parts = nullptr;
  next.count = s.part_count;
  next.fold = s.fold == FoldKind::sum_of_squares ? FoldKind::sum : s.fold;
  return next;
}

// Elements of T, accumulated in A, written as Out. What a stage has read is free for the stream's
// next work as soon as the next stage is queued behind it.
template <class T, class A, class Out, class On>
void reduce_as(const On& on, const ReduceCall& call, FoldKind fold) {
  const ReduceAxes axes(call);
  ReduceStage s{.kept = walk_of(axes.kept, 1),
                .reduced = walk_of(axes.reduced, 1),
                .in = call.in.data,
                .out = call.out.data,
                .count = axes.reduced.elements(),
                .fold = fold,
                .is_added = call.write == Write::add,
                .scale = call.scale};
  bool is_columns = axes.are_columns();
  using Part = PartOf<A>;
  core::Memory parts = cut<Part>(on, s, is_columns ? column_part : team_part);
  run_stage<T, A, Out>(on, s, is_columns);
  while (s.parts != nullptr) {
    s = stage_after(s, axes.kept);
    is_columns = s.kept.steps >= fewest_columns;
    const core::Memory next = cut<Part>(on, s, is_columns ? column_part : team_part);
    run_stage<Part, Part, Out>(on, s, is_columns);
    parts = next;
  }
}

template <class T, class On> void sum_on(const On& on, const ReduceCall& call, FoldKind fold) {
  if constexpr (std::is_integral_v<T>) {
    reduce_as<T, std::int64_t, std::int64_t>(on, call, fold);
  } else {
    if (call.out.dtype == DType::f64) return reduce_as<T, double, double>(on, call, fold);
    if (call.out.dtype == DType::f32) return reduce_as<T, math::Real<T>, float>(on, call, fold);
    reduce_as<T, math::Real<T>, T>(on, call, fold);
  }
}

template <class T, class On> void extreme_on(const On& on, const ReduceCall& call, FoldKind fold) {
  using A = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, math::Real<T>>;
  reduce_as<T, A, T>(on, call, fold);
}

// The first of the largest elements of a row; NaN is larger than all. A number and its place,
// joined one after the other since a team joins plain numbers.
template <class T> struct ArgmaxTask {
  using A = std::conditional_t<std::is_integral_v<T>, std::int64_t, math::Real<T>>;

  ReduceStage s;

  template <class Team> LS_HD void operator()(const Team& team, std::uint32_t result) const {
    std::int64_t at[2];
    s.kept.find(result, at);
    const T* const in = static_cast<const T*>(s.in) + at[1];
    const auto value = [&](std::int64_t i) { return math::converted<A>(in[s.place(i)]); };
    const A top = team.fold(s.count, value(0), value, [](A a, A b) { return math::larger(a, b); });
    const std::int64_t first = team.fold(
        s.count, s.count,
        [&](std::int64_t i) {
          const A x = value(i);
          return x == top || (x != x && top != top) ? i : s.count;
        },
        [](std::int64_t a, std::int64_t b) { return a < b ? a : b; });
    if (team.leads()) static_cast<std::int64_t*>(s.out)[at[0]] = first;
  }
};

template <class T, class On> void argmax_on(const On& on, const ReduceCall& call) {
  const ReduceAxes axes(call);
  const ReduceStage s{.kept = walk_of(axes.kept, 1),
                      .reduced = walk_of(axes.reduced, 1),
                      .in = call.in.data,
                      .out = call.out.data,
                      .count = axes.reduced.elements()};
  on.for_tasks(s.kept.steps, s.count > longest_narrow_part, ArgmaxTask<T>{s});
  on.launched("reduce", "argmax");
}

template <class T, class On> void reduce_elements(const On& on, const ReduceCall& call) {
  switch (call.op) {
    case ReduceOp::sum:
      return sum_on<T>(on, call, FoldKind::sum);
    case ReduceOp::sum_of_squares:
      return sum_on<T>(on, call, FoldKind::sum_of_squares);
    case ReduceOp::max:
      return extreme_on<T>(on, call, FoldKind::max);
    case ReduceOp::min:
      return extreme_on<T>(on, call, FoldKind::min);
    case ReduceOp::argmax:
      return argmax_on<T>(on, call);
  }
}

template <class On> void reduce_on(const On& on, const ReduceCall& call) {
  if (call.out.elements() == 0) return;
  if (call.in.elements() > most_elements) {
    fail("reduce: more than 2^31 elements at once",
         "reduce parts of the tensor, then their results");
  }
  with_type(call.in.dtype, [&]<class T>(T) { reduce_elements<T>(on, call); });
}

}  // namespace lockstep::kernels::cuda
