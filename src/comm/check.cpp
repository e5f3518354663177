#include "src/comm/check.h"

#include <fmt/format.h>

#include <functional>

#include "lockstep/core/shard.h"

namespace lockstep::comm {
namespace {

// One call under examination; refuse<E>() throws with its name and place.
class Examination {
 public:
  Examination(const Call& call, const Membership& member) : call_(call), member_(member) {}

  void run() const {
    if (call_.op == Op::barrier) return;
    check_buffers();
    check_reduction();
    switch (call_.op) {
      case Op::all_reduce:
        return check_partials();
      case Op::reduce_scatter:
        return check_parts(call_.in.front(), call_.out, "in", "out");
      case Op::all_gather:
        return check_parts(call_.out, call_.in.front(), "out", "in");
      case Op::broadcast:
        return check_root();
      case Op::barrier:
        return;
    }
  }

 private:
  template <class E> void require(bool status, const std::string& what, const char* fix) const {
    if (status) return;
    throw E({call_.description() + ": " + what, fix, place(member_, call_.out.device)}, call_.site);
  }

  void check_buffer(const core::ConstBuffer& buffer, const char* name) const {
    require<ShapeError>(buffer.count >= 0, fmt::format("{} has {} elements", name, buffer.count),
                        "give a count of 0 or more");
    require<UsageError>(buffer.data != nullptr || buffer.count == 0,
                        fmt::format("{} has {} elements but no memory", name, buffer.count),
                        "give the address of the first element");
  }

  void check_buffers() const {
    check_buffer(call_.out, "out");
    for (const core::ConstBuffer& in : call_.in) {
      check_buffer(in, "in");
      require<DTypeError>(
          in.dtype == call_.out.dtype,
          fmt::format("in is {}, out is {}", name_of(in.dtype), name_of(call_.out.dtype)),
          "give buffers of one dtype; cast the input first");
      require<DeviceError>(
          in.device == call_.out.device,
          fmt::format("in is on {}, out is on {}", name_of(in.device), name_of(call_.out.device)),
          "give buffers on one device");
    }
  }

  void check_reduction() const {
    if (call_.op != Op::all_reduce && call_.op != Op::reduce_scatter) return;
    const DType dtype = call_.out.dtype;
    require<DTypeError>(call_.reduce != Reduce::mean || is_floating(dtype),
                        fmt::format("the mean of {} is not a whole number", name_of(dtype)),
                        "use Reduce::sum, or a floating-point dtype");
    const bool is_order = call_.reduce == Reduce::min || call_.reduce == Reduce::max;
    require<DTypeError>(is_order || dtype != DType::boolean,
                        fmt::format("bool has no {}", name_of(call_.reduce)),
                        "use Reduce::max (any of them) or Reduce::min (all of them)");
  }

  void check_partials() const {
    require<UsageError>(call_.shards >= 1, fmt::format("a forest of {} shards", call_.shards),
                        "give 1 shard or more");
    const auto own =
        core::maximal_subtrees(core::shards_of(member_.rank, member_.size, call_.shards));
    require<ShapeError>(
        own.size() == call_.in.size(),
        fmt::format("{} partials, but this rank owns {} nodes of the tree of {} shards",
                    call_.in.size(), own.size(), call_.shards),
        "give one partial per node of core::maximal_subtrees(world.shards())");
    for (const core::ConstBuffer& in : call_.in) {
      require<ShapeError>(in.count == call_.out.count,
                          fmt::format("in has {} elements, out has {}", in.count, call_.out.count),
                          "give buffers of the same count");
      require_apart(in, call_.out, 0);
    }
  }

  void check_parts(const core::ConstBuffer& whole, const core::ConstBuffer& part,
                   const char* whole_name, const char* part_name) const {
    require<ShapeError>(
        whole.count == member_.size * part.count,
        fmt::format("{} has {} elements, {} has {}, with {} ranks", whole_name, whole.count,
                    part_name, part.count, member_.size),
        "make the larger buffer's count the number of ranks times the smaller one's");
    require_apart(part, whole, static_cast<std::size_t>(member_.rank) * part.bytes());
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

  void check_root() const {
    require<UsageError>(call_.root >= 0 && call_.root < member_.size,
                        fmt::format("root {} of {} ranks", call_.root, member_.size),
                        "give a root from 0 to size - 1");
  }

  const Call& call_;
  const Membership& member_;
};

}  // namespace

std::string place(const Membership& member, Device device) {
  return fmt::format("rank {} of {}, {}, transport {}", member.rank, member.size, name_of(device),
                     member.transport);
}

void check_arguments(const Call& call, const Membership& member) {
  Examination(call, member).run();
}

}  // namespace lockstep::comm
