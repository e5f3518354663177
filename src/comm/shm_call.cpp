#include "src/comm/shm_call.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "lockstep/kernels/registry.h"
#include "src/comm/parts.h"
#include "src/comm/shm_reduction.h"

namespace lockstep::comm {
namespace {

// Data that the peers see are copied into the posts up to this size only: from here on it costs
// more than the second hand-off that it saves.
constexpr std::size_t payload_of_shared = 1024;

// Ranks that others write results to.
bool is_written_by_peers(Op op, int rank, int root) {
  return op == Op::all_reduce || (op == Op::reduce && rank == root);
}

}  // namespace

ShmCall::ShmCall(const Call& call, ShmCallContext context)
    : call_(call),
      context_(std::move(context)),
      team_(*context_.team),
      board_(*team_.board),
      number_(++team_.started),
      element_(size_of(call.out.dtype)) {
  if (call.op == Op::broadcast) broadcast_data_ = call.out;
}

bool ShmCall::advance() {
  board_.refuse_if_failed();
  if (stage_ == Stage::new_ && !post()) return false;
  if (stage_ == Stage::posted && !meet()) return false;
  if (stage_ == Stage::copying) {
    if (!copying_->advance()) return false;
    finish_own_part();
  }
  return !needs_peers_ || board_.all_through(number_);
}

bool ShmCall::post() {
  const bool is_next = board_.posted(board_.rank()) + 1 == number_;
  if (!is_next || !board_.is_slot_free(number_)) return false;
  write(board_.slot(board_.rank(), number_));
  board_.post(number_);
  stage_ = Stage::posted;
  return true;
}

std::span<const core::ConstBuffer> ShmCall::given() const {
  const bool is_root = board_.rank() == call_.root;
  if (call_.op == Op::barrier || (call_.op == Op::scatter && !is_root)) return {};
  if (call_.op != Op::broadcast) return call_.in;
  return {&broadcast_data_, is_root ? 1U : 0U};
}

void ShmCall::write(CallSlot& slot) const {
  const std::span<const core::ConstBuffer> buffers = given();
  slot.signature = signature_of(call_, context_.member);
  slot.inputs = static_cast<std::uint32_t>(buffers.size());
  if (board_.rank() == 0 && is_reduction(call_.op))
    slot.passes_by_cache = team_.stores.next(kind_of_fold());
  write_addresses(slot, buffers);
  std::size_t bytes = 0;
  for (const core::ConstBuffer& buffer : buffers) bytes += buffer.bytes();
  const std::size_t most =
      slot.has_shared_inputs && slot.has_shared_out ? payload_of_shared : CallSlot::payload_bytes;
  slot.has_payload = bytes <= most;
  if (!slot.has_payload) return;
  std::byte* to = slot.payload;
  for (const core::ConstBuffer& buffer : buffers) {
    if (buffer.count > 0) std::memcpy(to, buffer.data, buffer.bytes());
    to += buffer.bytes();
  }
}

void ShmCall::write_addresses(CallSlot& slot, std::span<const core::ConstBuffer> buffers) const {
  // An all_to_all in place would overwrite what its peers have not read.
  const bool is_in_place = !buffers.empty() && buffers.front().data == call_.out.data;
  slot.has_shared_inputs =
      buffers.size() <= CallSlot::most_inputs && (call_.op != Op::all_to_all || !is_in_place);
  for (std::size_t i = 0; i < buffers.size() && slot.has_shared_inputs; ++i) {
    const auto address = team_.arena->address_of(buffers[i].data, buffers[i].bytes());
    slot.has_shared_inputs = address.has_value();
    if (address) slot.in[i] = *address;
  }
  const auto out = team_.arena->address_of(call_.out.data, call_.out.bytes());
  slot.has_shared_out = out.has_value();
  if (out) slot.out = *out;
}

// Calls take turns; once everyone has posted this one, this rank does its part.
bool ShmCall::meet() {
  if (team_.handled + 1 != number_ || !board_.all_posted(number_)) return false;
  compare();
  const Route way = route();
  if (way == Route::copies) {
    if (is_reduction(call_.op)) {
      copying_ = std::make_unique<ShmReduction>(call_, context_.forest, team_);
    } else {
      copying_ = context_.over_messages(call_);
    }
    stage_ = Stage::copying;
    return true;
  }
  run(way);
  finish_own_part();
  return true;
}

void ShmCall::finish_own_part() {
  board_.pass(number_);
  team_.handled = number_;
  stage_ = Stage::through;
}

// Every rank compares the same pairs, so that all find the same difference.
void ShmCall::compare() const {
  const Signature& first = board_.slot(0, number_).signature;
  for (int rank = 1; rank < board_.size(); ++rank) {
    const auto error = difference(first, 0, board_.slot(rank, number_).signature, rank,
                                  context_.member, call_.site);
    if (error) throw *error;
  }
}

// The same on every rank, since all look at the same slots.
ShmCall::Route ShmCall::route() const {
  if (call_.op == Op::barrier) return Route::nothing;
  if (call_.op == Op::all_to_all && !call_.counts.empty()) return Route::copies;
  bool are_payloads = true;
  bool are_shared = true;
  for (int rank = 0; rank < board_.size(); ++rank) {
    const CallSlot& slot = board_.slot(rank, number_);
    are_payloads = are_payloads && slot.has_payload;
    are_shared = are_shared && slot.has_shared_inputs &&
                 (slot.has_shared_out || !is_written_by_peers(call_.op, rank, call_.root));
  }
  if (are_payloads) return Route::payloads;
  return are_shared ? Route::segments : Route::copies;
}

void ShmCall::run(Route route) {
  needs_peers_ = route == Route::segments;
  if (route == Route::nothing) return;
  if (is_reduction(call_.op)) {
    fold(route);
  } else {
    pull(route);
  }
}

const std::byte* ShmCall::input_of(int rank, std::size_t number, Route route) const {
  const CallSlot& slot = board_.slot(rank, number_);
  if (route == Route::segments) return team_.arena->at(rank, slot.in[number]);
  return slot.payload + number * bytes_of(is_reduction(call_.op) ? partial_elements() : 0);
}

std::int64_t ShmCall::partial_elements() const {
  if (call_.op == Op::reduce) return call_.in.front().count;
  if (call_.op == Op::all_reduce) return call_.out.count;
  return Parts(call_.counts, call_.out.count).of(board_.size() - 1).end;
}

// The elements that this rank folds.
core::Range ShmCall::own_share(Route route) const {
  const std::int64_t count = partial_elements();
  if (call_.op == Op::reduce_scatter) return Parts(call_.counts, call_.out.count).of(board_.rank());
  if (route == Route::segments) return aligned_part(count, element_, board_.rank(), board_.size());
  const bool is_taker = call_.op == Op::all_reduce || board_.rank() == call_.root;
  return {0, is_taker ? count : 0};  // everyone who wants the result folds all of it
}

// Where the own share's result goes.
std::vector<void*> ShmCall::outputs(const core::Range& share, Route route) const {
  if (call_.op == Op::reduce_scatter) return {call_.out.data};
  if (route == Route::payloads) return {call_.out.data};
  std::vector<void*> places;
  for (int hop = 0; hop < board_.size(); ++hop) {
    const int rank = (board_.rank() + hop) % board_.size();
    if (is_written_by_peers(call_.op, rank, call_.root))
      places.push_back(team_.arena->at(rank, board_.slot(rank, number_).out) +
                       bytes_of(share.begin));
  }
  return places;
}

void ShmCall::fold(Route route) {
  const core::Range share = own_share(route);
  if (share.count() == 0) return;
  std::vector<const void*> inputs;
  for (int rank = 0; rank < board_.size(); ++rank) {
    for (std::size_t i = 0; i < board_.slot(rank, number_).inputs; ++i)
      inputs.push_back(input_of(rank, i, route) + bytes_of(share.begin));
  }
  const std::vector<void*> places = outputs(share, route);
  kernels::FoldCall fold{
      .op = fold_op(call_.reduce),
      .dtype = call_.out.dtype,
      .count = share.count(),
      .in = inputs.data(),
      .inputs = static_cast<int>(inputs.size()),
      .program = context_.forest->program.data(),
      .steps = static_cast<int>(context_.forest->program.size()),
      .out = places.front(),
      .scale = call_.reduce == Reduce::mean ? 1.0 / call_.shards : 1.0,
      .copies = places.data() + 1,
      .copy_count = static_cast<int>(places.size()) - 1,
  };
  fold.passes_by_cache = board_.slot(0, number_).passes_by_cache;
  const auto begin = std::chrono::steady_clock::now();
  core::Stream stream(call_.out.device);
  kernels::backend(call_.out.device).fold(fold, stream);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  if (board_.rank() == 0) team_.stores.note(kind_of_fold(), fold.passes_by_cache, taken.count());
}

StoreTrials::Fold ShmCall::kind_of_fold() const {
  const bool is_in_place =
      std::any_of(call_.in.begin(), call_.in.end(),
                  [&](const core::ConstBuffer& in) { return in.data == call_.out.data; });
  return {.bytes = bytes_of(partial_elements()), .is_in_place = is_in_place};
}

void ShmCall::pull(Route route) {
  const int size = board_.size();
  if (call_.op == Op::broadcast || call_.op == Op::scatter) return pull_from(call_.root, route);
  if (call_.op == Op::gather && board_.rank() != call_.root) return;
  // Everyone begins with another peer, so that nobody is read by all at once.
  for (int hop = 0; hop < size; ++hop) pull_from((board_.rank() + hop) % size, route);
}

// What `from` has for this rank.
void ShmCall::pull_from(int from, Route route) {
  const bool has_parts_in = call_.op == Op::scatter || call_.op == Op::all_to_all;
  const bool has_parts_out = call_.op != Op::scatter && call_.op != Op::broadcast;
  const std::int64_t all = has_parts_out ? call_.out.count / board_.size() : call_.out.count;
  const Parts parts(call_.counts, all);
  const core::Range in_range = parts.of(board_.rank());
  const core::Range out_range = parts.of(from);
  const std::int64_t elements = has_parts_out ? out_range.count() : call_.out.count;
  if (elements == 0) return;
  const std::byte* const source =
      input_of(from, 0, route) + bytes_of(has_parts_in ? in_range.begin : 0);
  std::byte* const to =
      static_cast<std::byte*>(call_.out.data) + bytes_of(has_parts_out ? out_range.begin : 0);
  if (source != to) std::memcpy(to, source, bytes_of(elements));
}

}  // namespace lockstep::comm
