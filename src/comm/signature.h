// What the ranks of a collective must agree on, in a form that travels, and how a difference is
// told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "lockstep/base/error.h"
#include "lockstep/comm/call.h"
#include "lockstep/comm/membership.h"

namespace lockstep::comm {

// 0 in what a call does not have. Equal on all ranks of a correct program, but for the site.
struct Signature {
  std::uint64_t sequence = 0;
  std::int64_t count = 0;    // elements that each rank gives, or all together in a v-variant
  std::uint64_t counts = 0;  // hash of a v-variant's counts
  std::uint64_t group = 0;
  std::uint64_t plan = 0;
  std::int32_t root = 0;
  std::int32_t shards = 0;
  std::uint32_t line = 0;
  Op op = Op::barrier;
  Reduce reduce = Reduce::sum;
  DType dtype = DType::f32;
  std::uint8_t is_v = 0;
  char file[40] = {};  // the end of the path, to the 0
};
static_assert(std::is_trivially_copyable_v<Signature> && sizeof(Signature) == 96);

Signature signature_of(const Call& call, const Membership& member);
// The elements that every rank gives alike; of a v-variant all ranks' together, 0 where each pair
// has its own.
std::int64_t agreed_count(const Call& call);

// The error that names both ranks, their call sites and what differs; nothing where the two agree.
std::optional<CommError> difference(const Signature& a, int rank_a, const Signature& b, int rank_b,
                                    const Membership& member, Site site = Site::current());
// Whether there is one: everything but the call sites must be equal.
bool differ(const Signature& a, const Signature& b);
// "all_reduce #3 (sum, f32 x 10)"
std::string call_of(const Signature& signature);
// "all_reduce #3 (sum, f32 x 10) at train.cpp:12"
std::string description_of(const Signature& signature);

}  // namespace lockstep::comm
