// Gather, scatter and pick: entries of a table found by index. Additions keep the order of the
// index.
#pragma once

#include "kernels/cuda/pack.h"
#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

inline constexpr std::int64_t longest_narrow_entry = 512;  // for which a warp is enough

// One entry is a walk over rows and table; which entry, the index says.
template <class T> struct EntryArguments {
  Walk<2> entry;  // rows, table; of one entry
  T* rows;
  T* table;
  const std::int64_t* index;
  std::int64_t row_stride, table_stride, index_stride;
  std::int64_t count;  // rows

  LS_HD std::int64_t table_row(std::int64_t i) const { return index[i * index_stride]; }
};

// The axes of `rows` and `table` behind the first.
inline Loop<2> entry_loop(const GatherCall& call) {
  Loop<2> loop;
  for (int axis = 1; axis < call.rows.rank(); ++axis) {
    loop.append(call.rows.sizes[axis], {call.rows.strides[axis], call.table.strides[axis]});
  }
  loop.sort();
  loop.merge();
  return loop;
}

template <class T> EntryArguments<T> entries_of(const GatherCall& call, const Loop<2>& loop) {
  return {.entry = walk_of(loop, 1),
          .rows = call.rows.as<T>(),
          .table = call.table.as<T>(),
          .index = call.index.as<const std::int64_t>(),
          .row_stride = call.rows.strides[0],
          .table_stride = call.table.strides[0],
          .index_stride = call.index.strides[0],
          .count = call.rows.sizes[0]};
}

template <class T, int width> struct GatherStep {
  EntryArguments<T> a;

  LS_HD void operator()(std::uint32_t i) const {
    const std::uint32_t row = i / a.entry.steps;
    std::int64_t at[2];
    a.entry.find(i - row * a.entry.steps, at);
    const T* const from = a.table + a.table_row(row) * a.table_stride + at[1];
    T* const to = a.rows + row * a.row_stride + at[0];
    *reinterpret_cast<Pack<T, width>*>(to) = *reinterpret_cast<const Pack<T, width>*>(from);
  }
};

template <int width, class T, class On>
void run_gather(const On& on, const Loop<2>& loop, EntryArguments<T> a) {
  a.entry = walk_of(loop, width);
  on.for_steps(a.entry.steps * static_cast<std::uint32_t>(a.count), GatherStep<T, width>{a});
  on.launched("gather", "");
}

// T: an integer of the elements' size.
template <class T, class On> void gather_entries(const On& on, const GatherCall& call) {
  constexpr int width = static_cast<int>(16 / sizeof(T));
  const Loop<2> loop = entry_loop(call);
  const auto a = entries_of<T>(call, loop);
  const bool is_aligned = a.row_stride % width == 0 && a.table_stride % width == 0 &&
                          loop.inner_stride(0) == 1 && loop.inner_stride(1) == 1 &&
                          can_step(loop, {a.rows, a.table}, width, sizeof(T));
  is_aligned ? run_gather<width>(on, loop, a) : run_gather<1>(on, loop, a);
}

inline void check_size(const char* what, std::int64_t elements) {
  if (elements > most_elements) fail(what, "do it in parts");
}

template <class On> void gather_on(const On& on, const GatherCall& call) {
  if (call.rows.elements() == 0) return;
  check_size("gather: more than 2^31 elements at once", call.rows.elements());
  switch (size_of(call.table.dtype)) {
    case 8:
      return gather_entries<std::uint64_t>(on, call);
    case 4:
      return gather_entries<std::uint32_t>(on, call);
    case 2:
      return gather_entries<std::uint16_t>(on, call);
    default:
      return gather_entries<std::uint8_t>(on, call);
  }
}

// A team for each row. The first of the rows that go to an entry adds them all, one after the
// other; teams of the others have nothing to do. Reading the index again for each row costs less
// than sorting it while there are some ten thousand rows.
template <class T> struct ScatterTask {
  using A = math::Real<T>;

  EntryArguments<T> a;

  template <class Team> LS_HD void operator()(const Team& team, std::uint32_t row) const {
    const std::int64_t target = a.table_row(row);
    if (next(team, target, 0, row) < row) return;
    T* const to = a.table + target * a.table_stride;
    for (std::int64_t i = row; i < a.count; i = next(team, target, i + 1, a.count)) {
      const T* const from = a.rows + i * a.row_stride;
      team.each(a.entry.steps, [&](std::int64_t k) {
        std::int64_t at[2];
        a.entry.find(static_cast<std::uint32_t>(k), at);
        T& place = to[at[1]];
        place = math::converted<T>(
            static_cast<A>(math::converted<A>(place) + math::converted<A>(from[at[0]])));
      });
    }
  }

 private:
  static constexpr std::int64_t at_once = 128;  // rows that are looked at between two joins

  // The first row in [begin, end) that goes to `target`; `end` where there is none.
  template <class Team>
  LS_HD std::int64_t next(const Team& team, std::int64_t target, std::int64_t begin,
                          std::int64_t end) const {
    for (; begin < end; begin += at_once) {
      const std::int64_t n = end - begin < at_once ? end - begin : at_once;
      const std::int64_t found = team.fold(
          n, end,
          [&](std::int64_t k) { return a.table_row(begin + k) == target ? begin + k : end; },
          [](std::int64_t x, std::int64_t y) { return x < y ? x : y; });
      if (found < end) return found;
    }
    return end;
  }
};

template <class On> void scatter_add_on(const On& on, const GatherCall& call) {
  if (call.rows.elements() == 0) return;
  check_size("scatter_add: more than 2^31 elements at once", call.rows.elements());
  with_type(call.table.dtype, [&]<class T>(T) {
    const Loop<2> loop = entry_loop(call);
    on.for_tasks(static_cast<std::uint32_t>(call.rows.sizes[0]),
                 loop.elements() > longest_narrow_entry, ScatterTask<T>{entries_of<T>(call, loop)});
    on.launched("scatter_add", "");
  });
}

template <class T> struct PickArguments {
  Walk<3> others;  // out, g, index: the axes beside the one that is picked from
  T* out;
  const T* g;
  const std::int64_t* index;
  std::int64_t stride;  // of out along that axis
  std::uint32_t size;
  bool is_added;
};

template <class T> struct PickStep {
  using A = math::Real<T>;

  PickArguments<T> a;

  LS_HD void operator()(std::uint32_t i) const {
    const std::uint32_t other = i / a.size, place = i - other * a.size;
    std::int64_t at[3];
    a.others.find(other, at);
    T& out = a.out[at[0] + place * a.stride];
    const bool is_picked = a.index[at[2]] == place;
    if (is_picked) {
      const A old = a.is_added ? math::converted<A>(out) : A(0);
      out = math::converted<T>(static_cast<A>(old + math::converted<A>(a.g[at[1]])));
    } else if (!a.is_added) {
      out = T{};
    }
  }
};

template <class On> void pick_on(const On& on, const PickCall& call) {
  if (call.out.elements() == 0) return;
  check_size("pick: more than 2^31 elements at once", call.out.elements());
  Loop<3> others;
  for (int axis = 0; axis < call.out.rank(); ++axis) {
    if (axis == call.axis) continue;
    others.append(call.out.sizes[axis],
                  {call.out.strides[axis], call.g.strides[axis], call.index.strides[axis]});
  }
  others.merge();
  with_type(call.out.dtype, [&]<class T>(T) {
    const PickArguments<T> a{.others = walk_of(others, 1),
                             .out = call.out.as<T>(),
                             .g = call.g.as<const T>(),
                             .index = call.index.as<const std::int64_t>(),
                             .stride = call.out.strides[call.axis],
                             .size = static_cast<std::uint32_t>(call.out.sizes[call.axis]),
                             .is_added = call.write == Write::add};
    on.for_steps(a.others.steps * a.size, PickStep<T>{a});
    on.launched("pick", "");
  });
}

}  // namespace lockstep::kernels::cuda
