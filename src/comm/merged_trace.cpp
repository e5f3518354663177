#include "lockstep/comm/merged_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "lockstep/base/error.h"
#include "lockstep/obs/log.h"
#include "src/comm/rank_trace.h"
#include "src/obs/file.h"
#include "src/obs/identity.h"
#include "src/obs/trace_text.h"

namespace lockstep::comm {
namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;

void send_value(Communicator& ranks, std::int64_t value) {
  ranks.send(core::ConstBuffer(&value, 1, DType::i64), 0, core::current_stream({})).wait();
}

std::int64_t receive_value(Communicator& ranks, int peer) {
  std::int64_t value = 0;
  ranks.receive({&value, 1, DType::i64, {}, {}}, peer, core::current_stream({})).wait();
  return value;
}

// A rank's part of the file, in pieces.
void write_part(const RankTrace& own, int rank, const ClockOffset& offset,
                const std::function<void(std::string_view)>& write) {
  const std::string clock =
      offset.error == 0
          ? ""
          : fmt::format("clock within {:.1f} us", static_cast<double>(offset.error) / 1e3);
  std::string text = (rank == 0 ? "" : ",\n") + obs::process_text(rank, own.host, clock);
  for (const obs::TraceEvent& event : own.events) {
    obs::append_event(text, event,
                      {.rank = rank, .clock_offset = offset.nanoseconds, .is_linked = true});
    if (text.size() < piece_bytes) continue;
    write(text);
    text.clear();
  }
  write(text);
}

void send_part(Communicator& ranks, const RankTrace& own, const ClockOffset& offset) {
  write_part(own, ranks.rank(), offset, [&](std::string_view piece) {
    send_value(ranks, static_cast<std::int64_t>(piece.size()));
    const core::ConstBuffer bytes(piece.data(), static_cast<std::int64_t>(piece.size()), DType::u8);
    ranks.send(bytes, 0, core::current_stream({})).wait();
  });
  send_value(ranks, 0);
}

void receive_part(Communicator& ranks, int peer,
                  const std::function<void(std::string_view)>& write) {
  std::string piece;
  while (const std::int64_t length = receive_value(ranks, peer)) {
    piece.resize(static_cast<std::size_t>(length));
    ranks.receive({piece.data(), length, DType::u8, {}, {}}, peer, core::current_stream({})).wait();
    write(piece);
  }
}

// The file of rank 0. A failure waits until the others have sent what they have.
class MergedFile {
 public:
  explicit MergedFile(const std::filesystem::path& path) {
    attempt([&] { file_.emplace(path); });
  }

  void write(std::string_view text) {
    attempt([&] { file_->write(text); });
  }
  void commit() {
    attempt([&] { file_->commit(); });
  }
  const std::optional<IoError>& failure() const { return failure_; }

 private:
  void attempt(const std::function<void()>& action) {
    if (failure_) return;
    try {
      action();
    } catch (const IoError& error) {
      failure_ = error;
    }
  }

  std::optional<obs::Replacement> file_;
  std::optional<IoError> failure_;
};

std::optional<IoError> write_all_parts(const std::filesystem::path& path, Communicator& ranks,
                                       const RankTrace& own) {
  MergedFile file(path);
  const auto write = [&](std::string_view text) { file.write(text); };
  write(obs::trace_head);
  write_part(own, 0, {}, write);
  for (int peer = 1; peer < ranks.size(); ++peer) receive_part(ranks, peer, write);
  write(obs::trace_tail);
  file.commit();
  return file.failure();
}

}  // namespace

std::size_t events_of_each(int ranks) {
  constexpr std::size_t least = 4096;
  constexpr std::size_t all = std::size_t{1} << 22;
  return std::max(least, all / static_cast<std::size_t>(ranks));
}

void merge_traces(const std::filesystem::path& file, Communicator& ranks, const RankTrace& own) {
  const ClockOffset offset = offset_from_rank_0(ranks, own.clock);
  std::optional<IoError> failure;
  if (ranks.rank() == 0) {
    failure = write_all_parts(file, ranks, own);
  } else {
    send_part(ranks, own, offset);
  }
  std::int64_t has_failed = failure ? 1 : 0;
  ranks.broadcast({&has_failed, 1, DType::i64, {}, {}}, 0, core::current_stream({})).wait();
  if (failure) throw IoError(*failure);
  check<IoError>(has_failed == 0, [&] {
    return Complaint{fmt::format("rank 0 could not write the trace {}", file.string()),
                     "see rank 0's message"};
  });
}

void write_merged_trace(const std::filesystem::path& file, Communicator& ranks) {
  const std::size_t limit = events_of_each(ranks.size());
  merge_traces(file, ranks,
               {.host = obs::identity().host, .events = obs::recent_events(limit), .clock = {}});
}

void finish_trace(Communicator& ranks) {
  if (ranks.size() == 1) return;  // its process writes the file
  std::int32_t is_wanted = obs::is_tracing() ? 1 : 0;
  const core::Buffer everywhere{&is_wanted, 1, DType::i32, {}, {}};
  ranks.all_reduce(core::ConstBuffer(everywhere), everywhere, Reduce::min, core::current_stream({}))
      .wait();
  if (is_wanted == 0) return;
  try {
    write_merged_trace(obs::trace_file(), ranks);
    obs::leave_trace_file_alone();
  } catch (const IoError& error) {
    if (ranks.rank() == 0) obs::warning(error.what());
  }
}

}  // namespace lockstep::comm
