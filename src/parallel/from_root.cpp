#include "src/parallel/from_root.h"

#include <exception>

#include "lockstep/base/error.h"
#include "lockstep/core/stream.h"

namespace lockstep::parallel {
namespace {

void broadcast(comm::Communicator& ranks, void* data, std::int64_t count, DType dtype) {
  ranks.broadcast({data, count, dtype, {}, {}}, 0, core::current_stream({})).wait();
}

void broadcast(comm::Communicator& ranks, std::string& text) {
  auto length = static_cast<std::int64_t>(text.size());
  broadcast(ranks, &length, 1, DType::i64);
  text.resize(static_cast<std::size_t>(length));
  broadcast(ranks, text.data(), length, DType::u8);
}

}  // namespace

std::string from_root(comm::Communicator& ranks, const std::function<std::string()>& action) {
  std::string result;
  Complaint failure;
  if (ranks.rank() == 0) {
    try {
      result = action();
    } catch (const Error& error) {
      failure = {error.problem(), error.fix()};
    } catch (const std::exception& error) {
      failure = {error.what(), "check the folder and the disk"};
    }
  }
  broadcast(ranks, failure.what);
  if (!failure.what.empty()) {
    broadcast(ranks, failure.fix);
    throw IoError(failure);
  }
  broadcast(ranks, result);
  return result;
}

}  // namespace lockstep::parallel
