#include "src/comm/check.h"

#include <fmt/format.h>

#include <functional>
#include <numeric>
#include <type_traits>

#include "lockstep/core/shard.h"
#include "src/comm/parts.h"

namespace lockstep::comm {
namespace {

// One call under examination; refuse<E>() throws with its name and place.
class Examination {
 public:
  Examination(const Call& call, const Membership& member) : call_(call), member_(member) {}

  void run() const {
    if (call_.op == Op::barrier) return;
    check_buffers();
    if (is_reduction(call_.op)) check_reduction();
    if (has_root(call_.op)) check_rank("root");
    check_sides();
  }

 private:
  void check_sides() const {
    switch (call_.op) {
      case Op::all_reduce:
        check_partials();
        return check_same_counts();
      case Op::reduce:
        if (member_.rank == call_.root) check_same_counts();
        return;
      case Op::reduce_scatter:
        check_partials();
        for (const core::ConstBuffer& in : call_.in) check_parts(in, call_.out, "in", "out");
        return check_part(call_.out, "out");
      case Op::all_gather:
        check_part(call_.in.front(), "in");
        return check_parts(call_.out, call_.in.front(), "out", "in");
      case Op::gather:
        check_part(call_.in.front(), "in");
        if (member_.rank == call_.root) check_parts(call_.out, call_.in.front(), "out", "in");
        return;
      case Op::scatter:
        check_part(call_.out, "out");
        if (member_.rank == call_.root) check_parts(call_.in.front(), call_.out, "in", "out");
        return;
      case Op::all_to_all:
        return check_all_to_all();
      case Op::send:
      case Op::receive:
        return check_rank("peer");
      case Op::broadcast:
      case Op::barrier:
        return;
    }
  }

  // `what` makes the text, or is it: nothing is formatted for a call that is right.
  template <class E, class What>
  void require(bool status, const What& what, const char* fix) const {
    if (status) return;
    std::string text = call_.description() + ": ";
    if constexpr (std::is_invocable_v<What>) {
      text += what();
    } else {
      text += what;
    }
    throw E({text, fix, place(member_, call_.out.device)}, call_.site);
  }

  void check_buffer(const core::ConstBuffer& buffer, const char* name) const {
    require<ShapeError>(
        buffer.count >= 0, [&] { return fmt::format("{} has {} elements", name, buffer.count); },
        "give a count of 0 or more");
    require<UsageError>(
        buffer.data != nullptr || buffer.count == 0,
        [&] { return fmt::format("{} has {} elements but no memory", name, buffer.count); },
        "give the address of the first element");
  }

  void check_buffers() const {
    check_buffer(call_.out, "out");
    for (const core::ConstBuffer& in : call_.in) {
      check_buffer(in, "in");
      require<DTypeError>(
          in.dtype == call_.out.dtype,
          [&] {
            return fmt::format("in is {}, out is {}", name_of(in.dtype), name_of(call_.out.dtype));
          },
          "give buffers of one dtype; cast the input first");
      require<DeviceError>(
          in.device == call_.out.device,
          [&] {
            return fmt::format("in is on {}, out is on {}", name_of(in.device),
                               name_of(call_.out.device));
          },
          "give buffers on one device");
    }
  }

  void check_reduction() const {
    const DType dtype = call_.out.dtype;
    require<DTypeError>(
        call_.reduce != Reduce::mean || is_floating(dtype),
        [&] { return fmt::format("the mean of {} is not a whole number", name_of(dtype)); },
        "use Reduce::sum, or a floating-point dtype");
    const bool is_order = call_.reduce == Reduce::min || call_.reduce == Reduce::max;
    require<DTypeError>(
        is_order || dtype != DType::boolean,
        [&] { return fmt::format("bool has no {}", name_of(call_.reduce)); },
        "use Reduce::max (any of them) or Reduce::min (all of them)");
  }

  void check_partials() const {
    require<UsageError>(
        call_.shards >= 1, [&] { return fmt::format("a forest of {} shards", call_.shards); },
        "give 1 shard or more");
    const auto own =
        core::maximal_subtrees(core::shards_of(member_.rank, member_.size, call_.shards));
    require<ShapeError>(
        own.size() == call_.in.size(),
        [&] {
          return fmt::format("{} partials, but this rank owns {} nodes of the tree of {} shards",
                             call_.in.size(), own.size(), call_.shards);
        },
        "give one partial per node of core::maximal_subtrees(world.shards())");
  }

  void check_same_counts() const {
    for (const core::ConstBuffer& in : call_.in) {
      require<ShapeError>(
          in.count == call_.out.count,
          [&] { return fmt::format("in has {} elements, out has {}", in.count, call_.out.count); },
          "give buffers of the same count");
      require_apart(in, call_.out, 0);
    }
  }

  // Whether counts (of a v-variant) are one for each rank; gives their sum.
  std::int64_t sum_of(const std::vector<std::int64_t>& counts, const char* name) const {
    require<ShapeError>(
        counts.size() == static_cast<std::size_t>(member_.size),
        [&] { return fmt::format("{} {}, with {} ranks", counts.size(), name, member_.size); },
        "give one count for each rank");
    for (const std::int64_t count : counts) {
      require<ShapeError>(
          count >= 0, [&] { return fmt::format("{} hold {}", name, count); },
          "give counts of 0 or more");
    }
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  }

  // The buffer of one rank's part.
  void check_part(const core::ConstBuffer& part, const char* name) const {
    if (call_.counts.empty()) return;
    sum_of(call_.counts, "counts");
    const std::int64_t own = call_.counts[static_cast<std::size_t>(member_.rank)];
    require<ShapeError>(
        part.count == own,
        [&] {
          return fmt::format("{} has {} elements, but this rank's count is {}", name, part.count,
                             own);
        },
        "make the buffer as long as counts says");
  }

  // `whole` holds a part for every rank; this rank's is `part`.
  void check_parts(const core::ConstBuffer& whole, const core::ConstBuffer& part,
                   const char* whole_name, const char* part_name) const {
    if (call_.counts.empty()) {
      require<ShapeError>(
          whole.count == member_.size * part.count,
          [&] {
            return fmt::format("{} has {} elements, {} has {}, with {} ranks", whole_name,
                               whole.count, part_name, part.count, member_.size);
          },
          "make the larger buffer's count the number of ranks times the smaller one's");
    } else {
      check_sum(whole, call_.counts, whole_name, "counts");
    }
    const Parts parts(call_.counts, part.count);
    require_apart(
        part, whole,
        static_cast<std::size_t>(parts.of(member_.rank).begin) * size_of(call_.out.dtype));
  }

  void check_sum(const core::ConstBuffer& whole, const std::vector<std::int64_t>& counts,
                 const char* whole_name, const char* counts_name) const {
    const std::int64_t sum = sum_of(counts, counts_name);
    require<ShapeError>(
        whole.count == sum,
        [&] {
          return fmt::format("{} has {} elements, but {} add up to {}", whole_name, whole.count,
                             counts_name, sum);
        },
        "make the buffer as long as all parts together");
  }

  void check_all_to_all() const {
    const core::ConstBuffer& in = call_.in.front();
    require_apart(in, call_.out, 0);
    if (call_.counts.empty() && call_.received.empty()) {
      check_same_counts();
      require<ShapeError>(
          in.count % member_.size == 0,
          [&] { return fmt::format("{} elements for {} ranks", in.count, member_.size); },
          "give every rank the same count, or use all_to_all_v");
      return;
    }
    check_sum(in, call_.counts, "in", "sent");
    check_sum(call_.out, call_.received, "out", "received");
    const auto own = static_cast<std::size_t>(member_.rank);
    require<ShapeError>(
        call_.counts[own] == call_.received[own],
        [&] {
          return fmt::format("this rank sends itself {} elements and receives {}",
                             call_.counts[own], call_.received[own]);
        },
        "give this rank's own part the same count in sent and received");
  }

  // a and b do not overlap, or a begins exactly `offset` bytes into b.
  void require_apart(const core::ConstBuffer& a, const core::ConstBuffer& b,
                     std::size_t offset) const {
    const auto* first = static_cast<const std::byte*>(a.data);
    const auto* second = static_cast<const std::byte*>(b.data);
    if (a.count == 0 || b.count == 0 || first == second + offset) return;
    const std::less_equal<const std::byte*> ends_before;
    require<UsageError>(
        ends_before(first + a.bytes(), second) || ends_before(second + b.bytes(), first),
        "in and out overlap but are not in place",
        "give the same buffer (or its part of this rank) or separate memory");
  }

  void check_rank(const char* role) const {
    require<UsageError>(
        call_.root >= 0 && call_.root < member_.size,
        [&] { return fmt::format("{} {} of {} ranks", role, call_.root, member_.size); },
        std::string(role) == "root" ? "give a root from 0 to size - 1"
                                    : "give a peer from 0 to size - 1");
  }

  const Call& call_;
  const Membership& member_;
};

}  // namespace

std::string place(const Membership& member, Device device) {
  const std::string group = member.group.name.empty() ? "" : " in " + member.group.name;
  return fmt::format("rank {} of {}{}, {}, transport {}", member.rank, member.size, group,
                     name_of(device), member.transport);
}

void check_arguments(const Call& call, const Membership& member) {
  Examination(call, member).run();
}

}  // namespace lockstep::comm
